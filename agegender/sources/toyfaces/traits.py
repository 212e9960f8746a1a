"""Samples the traits of one toy face from its age and gender.

Each age trait depends on the age plus noise of its own (`_Person.noisy_age`). Each gender trait has overlapping
distributions for both genders. So no single trait determines age or gender. Skin tone, pose, light and background are
independent of both. Lengths are in face units: half the width of the face is 1, the eyes are at y = 0, and y points down.
"""

from dataclasses import dataclass, field

import numpy as np

from agegender.sources.toyfaces.pen import Colour

_SKIN = np.array([[252, 224, 205], [240, 196, 165], [214, 162, 122], [176, 122, 84], [128, 84, 58], [84, 56, 42]], float)
_HAIR = np.array([[24, 20, 20], [52, 36, 28], [92, 60, 38], [140, 92, 52], [196, 154, 92], [158, 76, 38]], float)
_IRIS = np.array([[70, 46, 30], [96, 64, 36], [88, 110, 70], [84, 124, 158], [110, 120, 126]], float)


@dataclass(frozen=True)
class Traits:
    """Parameters of one face; `drawing.draw` draws it."""

    # Proportions of the head.
    skull: float
    """Distance from the eyes to the top of the head."""
    chin: float
    """Distance from the eyes to the chin."""
    jaw_square: float
    """Exponent of the curve from cheek to chin: 2 is round, larger values are squarer."""
    jaw_taper: float
    """Share of the width lost from cheek to chin."""
    jowl: float
    neck: float
    ear: float
    # Features.
    eye_x: float
    eye_width: float
    eye_open: float
    iris: float
    lid: float
    """Droop of the outer half of the upper lid."""
    lashes: float
    brow_y: float
    brow_thick: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    lips: float
    smile: float
    mouth_open: float
    # Marks of age, each 0 (none) to about 1 (deep).
    forehead_lines: float
    crow_feet: float
    eye_bags: float
    nasolabial: float
    marionette: float
    hollow: float
    spots: float
    blush: float
    # Hair.
    hairline: float
    """Height of the hairline as a share of `skull`."""
    receding: float
    """0 (full hair) to 1 (bald crown)."""
    volume: float
    thin: float
    """How much skin is visible through the hair, 0 to 1; high for babies and old persons."""
    hair_length: float
    """Distance from the eyes down to the ends of the hair; 0 is short hair."""
    fringe: float
    bun: bool
    grey: float
    beard: str
    """none, stubble, moustache, goatee or full."""
    earring: bool
    # Worn, or held in front of the face.
    glasses: str
    """none, clear or sun."""
    headwear: str
    """none, cap, beanie or band."""
    occluder: str
    """none, bar, hand or mask."""
    # Colours.
    skin: Colour = field(repr=False)
    hair: Colour = field(repr=False)
    brow_colour: Colour = field(repr=False)
    lip_colour: Colour = field(repr=False)
    iris_colour: Colour = field(repr=False)


def sample(age: int, gender: int, rng: np.random.Generator) -> Traits:
    """Sample the traits of one person of this age (years) and gender (0 = male, 1 = female)."""
    person = _Person(age, gender, rng)
    noisy_age, male, vary, chance = person.noisy_age, person.male, person.vary, person.chance
    grown = 1 - np.exp(-noisy_age(1.0) / 8)
    old = np.clip((noisy_age(1.2) - 45) / 40, 0, 1.2)
    hair_line, receding = _hairline(person)
    hair, brow_colour, grey = _hair_colours(person)
    skin = _pick_between(_SKIN, rng) + rng.normal(0, 5, 3)
    lipstick = chance(0.4 if gender and age > 15 else 0.01)
    lip = skin * (0.86, 0.62, 0.62) if not lipstick else skin * 0.3 + 0.7 * np.array([rng.uniform(150, 210), 45, 70])
    hair_length, bun = _hair_length(person, receding)
    return Traits(
        skull=1.22 - 0.06 * grown + vary(0.04),
        chin=0.92 + 0.48 * grown + 0.05 * male() + 0.06 * old + vary(0.045),
        jaw_square=max(1.7, 2.1 + grown * (0.35 + 0.45 * male())),
        jaw_taper=float(np.clip(0.15 - grown * 0.09 * male(), 0, 0.35)),
        jowl=_marks(noisy_age(1.2), 48, 40),
        neck=0.38 + grown * (0.22 + 0.09 * male()) + vary(0.02),
        ear=0.2 + 0.04 * grown + 0.07 * old,
        eye_x=0.46 - 0.05 * grown + vary(0.02),
        eye_width=0.255 - 0.065 * grown + vary(0.014),
        eye_open=(0.155 - 0.055 * grown - 0.025 * old) * (1 - 0.08 * male()) * np.exp(vary(0.12)),
        iris=0.125 - 0.04 * grown,
        lid=_marks(noisy_age(1.2), 42, 40),
        lashes=float(np.clip(0.4 - 0.6 * male(), 0, 1)),
        brow_y=0.3 - 0.045 * grown * male() - 0.03 * old + vary(0.015),
        brow_thick=max(0.02, 0.03 + grown * (0.03 + 0.02 * male())),
        brow_arch=0.06 - 0.035 * male() + vary(0.01),
        nose_length=0.3 + 0.26 * grown + 0.08 * old + vary(0.025),
        nose_width=0.15 + grown * (0.05 + 0.022 * male()) + 0.03 * old + vary(0.012),
        mouth_y=0.64 + vary(0.015),
        mouth_width=0.24 + 0.12 * grown + vary(0.02),
        lips=max(0.02, (0.055 + grown * (0.02 - 0.018 * male())) * (1 - 0.5 * min(old, 1)) + vary(0.006)),
        smile=vary(0.06) + 0.04,
        mouth_open=rng.uniform(0.04, 0.13) if chance(0.3) else 0.0,
        forehead_lines=_marks(noisy_age(1.2), 32, 45),
        crow_feet=_marks(noisy_age(1.2), 32, 40),
        eye_bags=_marks(noisy_age(1.2), 28, 50),
        nasolabial=_marks(noisy_age(1.2), 20, 55),
        marionette=_marks(noisy_age(1.2), 45, 35),
        hollow=_marks(noisy_age(1.2), 55, 35),
        spots=_marks(noisy_age(1.2), 55, 35),
        blush=float(np.clip(1 - noisy_age(1.0) / 12, 0, 1)) if chance(0.8) else rng.uniform(0, 0.6),
        hairline=hair_line,
        receding=receding,
        volume=float(np.clip(0.13 - 0.05 * male(0.8) + vary(0.03), 0.03, 0.3)) * (0.25 + 0.75 * min(1, age / 3)),
        thin=float(np.clip(max(1 - age / 2.5, 0.6 * receding, old - 0.4), 0, 0.7)),
        hair_length=hair_length,
        fringe=rng.uniform(0.1, 0.35) if chance(0.3) and receding < 0.2 and age > 1 else 0.0,
        bun=bun,
        grey=grey,
        beard=_beard(person),
        earring=age > 3 and chance(0.35 if gender else 0.05),
        glasses=_choose(rng, {"clear": 0.08 + 0.004 * min(age, 70), "sun": 0.02 if age > 3 else 0.0}),
        headwear=_choose(rng, {"cap": 0.035, "beanie": 0.03, "band": 0.02}),
        occluder=_choose(rng, {"bar": 0.03, "hand": 0.03, "mask": 0.02}),
        skin=_colour(skin),
        hair=hair,
        brow_colour=brow_colour,
        lip_colour=_colour(lip),
        iris_colour=_colour(_IRIS[rng.integers(len(_IRIS))] + rng.normal(0, 8, 3)),
    )


class _Person:
    """Age, gender and random generator of one person, with the noise of its traits."""

    def __init__(self, age: int, gender: int, rng: np.random.Generator):
        self.age, self.gender, self.rng = age, gender, rng
        # The genders differ less in children than in adults.
        self.dimorphism = 0.6 + 0.4 / (1 + np.exp(-(age - 11) / 2))

    def noisy_age(self, spread: float) -> float:
        """Apparent age of one trait in years, at least 0. With `spread` 1 the noise is 1.5 years at age 0 and 6.5 at 50."""
        return max(0.0, self.age + self.rng.normal(0, spread * (1.5 + 0.1 * self.age)))

    def male(self, spread: float = 0.65) -> float:
        """Noisy gender of one trait: about +1 for men, -1 for women, closer to 0 for children."""
        return (1 - 2 * self.gender) * self.dimorphism + self.rng.normal(0, spread)

    def vary(self, spread: float) -> float:
        """Random variation between persons, independent of age and gender."""
        return self.rng.normal(0, spread)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)


def _hairline(person: _Person) -> tuple[float, float]:
    """Height of the hairline, and how far it has receded (mostly in older men)."""
    line = 0.66 + person.vary(0.03)
    if person.age < 3:
        return line + 0.08, person.rng.uniform(0.1, 0.8) * (1 - person.age / 4)
    extent = 0.9 if person.gender == 0 and person.chance(0.75) else 0.12
    return line, float(np.clip((person.noisy_age(1.2) - 28) / 45, 0, 1)) * person.rng.uniform(0.5, 1.1) * extent


def _hair_length(person: _Person, receding: float) -> tuple[float, bool]:
    """Length of the hair below the eyes, and whether it is tied into a bun instead."""
    if person.age < 2 or receding > 0.6:
        return 0.0, False
    long = person.chance(0.72 if person.gender else 0.08)
    if long and person.age > 5 and person.chance(0.15):
        return 0.0, True
    longest = min(2.2, 0.7 + 0.2 * person.age)
    return (person.rng.uniform(0.5, longest) if long else 0.0), False


def _hair_colours(person: _Person) -> tuple[Colour, Colour, float]:
    """Colours of hair and brows, and the share of grey strands. Some old persons dye their hair, some young ones bleach it."""
    natural = _HAIR[person.rng.choice(len(_HAIR), p=[0.25, 0.25, 0.18, 0.12, 0.13, 0.07])] + person.rng.normal(0, 6, 3)
    silver = np.full(3, person.rng.uniform(165, 232)) + person.rng.normal(0, 3, 3)
    grey = 1 / (1 + np.exp(-(person.noisy_age(1.2) - 54) / 7))
    dyed = person.chance(0.3 if person.gender else 0.08)
    shown = (0.05 if dyed else grey) if not person.chance(0.04) else 0.9
    brows = natural * 0.85 * (1 - 0.8 * grey) + silver * 0.8 * grey
    return _colour(natural * (1 - 0.75 * shown) + silver * 0.75 * shown), _colour(brows), float(shown)


def _beard(person: _Person) -> str:
    if person.gender or person.age < 16:
        return "none"
    return _choose(person.rng, {"stubble": 0.22, "moustache": 0.08, "goatee": 0.07, "full": 0.14})


def _marks(years: float, start: float, span: float) -> float:
    return float(np.clip((years - start) / span, 0, 1.2))


def _choose(rng: np.random.Generator, odds: dict[str, float]) -> str:
    """Choose one of the names with its probability, otherwise "none"."""
    names = ["none", *odds]
    return names[rng.choice(len(names), p=[1 - sum(odds.values()), *odds.values()])]


def _pick_between(palette: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    place = rng.uniform(0, len(palette) - 1)
    low = int(place)
    return palette[low] + (place - low) * (palette[low + 1] - palette[low])


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = np.clip(values, 5, 250)
    return float(red), float(green), float(blue)
