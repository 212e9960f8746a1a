// Predicts cropped faces with a bundle of agegender.export, from JavaScript.
//
//     npm ci --ignore-scripts
//     ORT_DISABLE_TELEMETRY=1 node predict.mjs BUNDLE_DIR face.png other.png
//
// The images are PNG files of the model's size, cropped like the training faces. Prints a JSON object for each. Gender is
// binary and means appearance; an estimate is not a person's age, gender or identity.
// Without the variable ONNX Runtime 1.29 and later send usage data to Microsoft.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { PNG } from "pngjs";

const [bundle, ...images] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(join(bundle, name), "utf8"));
const size = read("preprocess.json").image_size;
const temperature = existsSync(join(bundle, "calibration.json")) ? (read("calibration.json").gender.temperature ?? 1) : 1;

const pixels = new Uint8Array(images.length * size * size * 3); // RGB; the model normalises
images.forEach((path, number) => {
  const { width, height, data } = PNG.sync.read(readFileSync(path)); // RGBA
  if (width !== size || height !== size) throw new Error(`${path}: not ${size} x ${size} pixels`);
  for (let i = 0; i < size * size; i++) {
    pixels.set(data.subarray(4 * i, 4 * i + 3), 3 * (number * size * size + i));
  }
});

const session = await InferenceSession.create(join(bundle, "model.onnx"));
const outputs = await session.run({ image: new Tensor("uint8", pixels, [images.length, size, size, 3]) });
images.forEach((path, number) => {
  const values = { path };
  if (outputs.age) values.age = outputs.age.data[number];
  if (outputs.probability_female) {
    const probability = Math.min(Math.max(outputs.probability_female.data[number], 1e-7), 1 - 1e-7);
    values.probability_female = 1 / (1 + (1 / probability - 1) ** (1 / temperature)); // calibrated
  }
  console.log(JSON.stringify(values));
});
