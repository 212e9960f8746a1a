"""Fine-tuning of pretrained backbones: stages, freezing, cached features of frozen backbones."""
