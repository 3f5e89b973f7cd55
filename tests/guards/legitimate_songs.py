"""Answers that are songs, poems and prayers: old ones and our own."""
# Lists of words read better as one text.
# ruff: noqa: SIM905

from random import Random

GIFTS = (
    "a partridge in a pear tree", "two turtle doves", "three French hens", "four calling birds", "five gold rings",
    "six geese a-laying", "seven swans a-swimming", "eight maids a-milking", "nine ladies dancing", "ten lords a-leaping",
    "eleven pipers piping", "twelve drummers drumming",
)  # fmt: skip

DAYS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()

NUMBERS = "one two three four five six seven eight nine ten".split()

ANIMALS = (
    ("cow", "moo"),
    ("pig", "oink"),
    ("duck", "quack"),
    ("horse", "neigh"),
    ("sheep", "baa"),
    ("hen", "cluck"),
    ("dog", "woof"),
)


def twelve_days(_: Random) -> str:
    verses = []
    for i, day in enumerate(DAYS):
        given = [*reversed(GIFTS[1 : i + 1]), ("and " if i else "") + GIFTS[0]]
        verses.append(
            f"On the {day} day of Christmas my true love sent to me\n" + ",\n".join(given) + "."
        )
    return "\n\n".join(verses)


def ten_green_bottles(_: Random) -> str:
    verses = []
    for i in range(9, -1, -1):
        now, then = NUMBERS[i], NUMBERS[i - 1] if i else "no"
        line = f"{now.title()} green bottle{'s' * (i > 0)} hanging on the wall"
        verses.append(
            f"{line},\n{line},\nAnd if one green bottle should accidentally fall,\nThere'll be {then} green bottle{'s' * (i != 1)} hanging on the wall."
        )
    return "\n\n".join(verses)


def old_farm(_: Random) -> str:
    return "\n\n".join(
        f"Old MacDonald had a farm, E-I-E-I-O,\nAnd on his farm he had a {animal}, E-I-E-I-O.\nWith a {sound}-{sound} here and a {sound}-{sound} there,\n"
        f"Here a {sound}, there a {sound}, everywhere a {sound}-{sound},\nOld MacDonald had a farm, E-I-E-I-O."
        for animal, sound in ANIMALS
    )


def wheels_on_the_bus(_: Random) -> str:
    parts = (
        ("wheels", "go round and round"),
        ("wipers", "go swish, swish, swish"),
        ("horn", "goes beep, beep, beep"),
        ("doors", "go open and shut"),
        ("babies", "go wah, wah, wah"),
        ("driver", "says move on back"),
    )
    return "\n\n".join(
        f"The {who} on the bus {does},\n{does.split(' ', 1)[1]}, {does.split(' ', 1)[1]}.\nThe {who} on the bus {does},\nall through the town."
        for who, does in parts
    )


def hole_in_my_bucket(_: Random) -> str:
    verses = (
        ("a hole in my bucket", "fix it"),
        ("with what shall I fix it", "with straw"),
        ("the straw is too long", "cut it"),
        ("with what shall I cut it", "with a knife"),
        ("the knife is too dull", "sharpen it"),
        ("with what shall I sharpen it", "with a stone"),
        ("the stone is too dry", "wet it"),
        ("with what shall I wet it", "with water"),
        ("in what shall I fetch it", "in a bucket"),
    )
    return "\n\n".join(
        f"{a.capitalize()}, dear Liza, dear Liza,\n{a.capitalize()}, dear Liza, {a}.\n\nThen {b}, dear Henry, dear Henry,\nThen {b}, dear Henry, {b}."
        for a, b in verses
    )


def house_that_jack_built(_: Random) -> str:
    chain = (
        "the house that Jack built",
        "the malt that lay in",
        "the rat that ate",
        "the cat that chased",
        "the dog that worried",
        "the cow that tossed",
        "the maid that milked",
        "the man that kissed",
        "the priest that married",
        "the cock that woke",
    )
    return "\n\n".join(
        "This is " + "\n".join(reversed(chain[: i + 1])) + "." for i in range(len(chain))
    )


def refrain(_: Random) -> str:
    verses = (
        "The lamp is low, the harbour sleeps,",
        "The gulls have left the broken mast,",
        "My father's boat has not come home,",
        "The winter took the northern road,",
        "A letter lies upon the stair,",
        "The bell has rung for someone else,",
    )
    chorus = "Oh, row me over, row me over,\nrow me over, love, to shore;\nrow me over, row me over,\nI will leave you nevermore."
    return "\n\n".join(
        f"{verse}\nand still the water keeps its own.\n\n{chorus}" for verse in verses
    )


def la_la_la(_: Random) -> str:
    return (
        "Na na na, na na na na,\nna na na na, hey now.\n" * 6
        + "\nAnd everybody sings along:\n"
        + "la la la la la la la la\n" * 8
    )


def ha_ha_ha(_: Random) -> str:
    return "Here is your laugh:\n\n" + "ha " * 120 + "\n\nFeel better?"


def very_very(_: Random) -> str:
    return "It was a " + "very, " * 60 + "very long day."


def lines_of_punishment(_: Random) -> str:
    return "I will not talk in class.\n" * 25


def all_work(_: Random) -> str:
    return "All work and no play makes Jack a dull boy.\n" * 15


def litany(_: Random) -> str:
    names = "Mary Michael Gabriel Joseph Peter Paul Andrew James John Thomas Philip Matthew Simon Barnabas Luke Mark Stephen Lawrence Vincent Martin Nicholas Benedict Bernard Francis Dominic Anthony Agnes Cecilia Lucy Catherine Barbara".split()
    return "\n".join(f"Saint {name},\npray for us." for name in names)


def mantra(_: Random) -> str:
    return "\n".join(["Om mani padme hum"] * 54)


SONGS = {
    made.__name__: made
    for made in (twelve_days, ten_green_bottles, old_farm, wheels_on_the_bus, hole_in_my_bucket, house_that_jack_built, refrain, la_la_la, ha_ha_ha, very_very, lines_of_punishment, all_work, litany, mantra,)
}  # fmt: skip
