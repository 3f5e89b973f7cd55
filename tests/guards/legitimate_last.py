"""Answers written last, after a case of legitimate_later had still changed a setting: nothing was chosen by these."""

from collections.abc import Callable
from random import Random

CLUBS = ("Rovers", "United", "City", "Athletic", "Wanderers", "Albion", "Rangers", "Town")
PUPILS = ("Ada", "Bo", "Cem", "Dee", "Eli", "Fay", "Gus", "Hal", "Ivy", "Jon", "Kim", "Lou", "Max")


def fixtures(random: Random) -> str:
    return "\n".join(
        f"Round {r}: {a} will play against {b} at {random.randint(12, 20)}:00 on Saturday."
        for r in range(1, 41)
        for a, b in [random.sample(CLUBS, 2)]
    )


def attendance(random: Random) -> str:
    return "\n".join(
        f"{name} was {random.choice(('present', 'absent', 'late'))} on day {day}."
        for day in range(1, 6)
        for name in PUPILS
    )


def yes_no_survey(random: Random) -> str:
    return "\n".join(
        f"Participant {i} answered {random.choice(('yes', 'no'))} to the question."
        for i in range(1, 61)
    )


def coin_flips(random: Random) -> str:
    return "\n".join(
        f"Flip {i}: the coin shows {random.choice(('heads', 'tails'))}." for i in range(1, 81)
    )


def binary_search(_: Random) -> str:
    low, high, lines = 0, 1 << 20, []
    while high - low > 1:
        middle = (low + high) // 2
        lines.append(
            f"Look at {middle}: the value is too {'small' if middle < 777_777 else 'big'}."
        )
        low, high = (middle, high) if middle < 777_777 else (low, middle)
    return "\n".join(lines)


def recipe_scaling(_: Random) -> str:
    return "\n".join(
        f"For {n} people you need {60 * n} g of flour, {2 * n} eggs and {25 * n} ml of milk."
        for n in range(2, 17)
    )


def train_stops(random: Random) -> str:
    names = [
        a + b
        for a in ("Ober", "Unter", "Neu", "Alt", "Bad ")
        for b in ("dorf", "stadt", "feld", "burg")
    ]
    return "\n".join(
        f"The train stops at {name} at 1{i % 10}:{3 * i % 60:02}." for i, name in enumerate(names)
    )


def gcd_steps(_: Random) -> str:
    a, b, lines = 1_346_269, 832_040, []
    while b:
        lines.append(f"{a} = {a // b} x {b} + {a % b}")
        a, b = b, a % b
    return "\n".join(lines)


def psalm(_: Random) -> str:
    works = [
        "the heavens",
        "the waters",
        "the great lights",
        "the sun",
        "the moon and stars",
        "the mountains",
        "the valleys",
        "the rivers",
        "the cattle",
        "the corn",
        "the children",
        "the old",
        "the stranger",
        "the poor",
        "the night",
        "the morning",
    ]
    return "\n".join(f"To him who made {work}: for his mercy endureth for ever." for work in works)


def pronunciation(_: Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "\n".join(f"{c.upper()} is for {c}pple, and {c} makes the sound /{c}/." for c in letters)


def chords(random: Random) -> str:
    return "\n".join(
        "| " + " | ".join(random.choice(("C", "G", "Am", "F")) for _ in range(4)) + " |"
        for _ in range(32)
    )


def countdown_apology(_: Random) -> str:
    return "I am very sorry. " * 30 + "Will you forgive me?"


def empty_form(_: Random) -> str:
    return "\n".join(
        f"Name of guest {i}: ______________________  Diet: ______________" for i in range(1, 25)
    )


def todo_boxes(_: Random) -> str:
    return "\n".join(
        f"- [ ] Week {w}, day {d}: read one chapter" for w in range(1, 7) for d in range(1, 8)
    )


def css_keyframes(_: Random) -> str:
    return (
        "@keyframes spin {\n"
        + "\n".join(f"  {p}% {{ transform: rotate({3.6 * p:g}deg); }}" for p in range(0, 101, 2))
        + "\n}"
    )


def minutes(random: Random) -> str:
    return "\n".join(
        f"The committee agreed to {random.choice(('accept', 'reject', 'postpone'))} item {i} of the agenda by {random.randint(5, 9)} votes to {random.randint(0, 4)}."
        for i in range(1, 31)
    )


LAST: dict[str, Callable[[Random], str]] = {
    f"last_{made.__name__}": made
    for made in (fixtures, attendance, yes_no_survey, coin_flips, binary_search, recipe_scaling, train_stops, gcd_steps, psalm, pronunciation, chords, countdown_apology, empty_form, todo_boxes, css_keyframes, minutes)
}  # fmt: skip
