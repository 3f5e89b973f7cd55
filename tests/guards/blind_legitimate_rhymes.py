"""Songs that grow or count down verse by verse, prayers, litanies and speeches of the blind set. blind_legitimate collects them."""
# ruff: noqa: SIM905

from .blind_words import in_words


def ten_lanterns() -> str:
    verses = []
    for number in range(10, 0, -1):
        many = in_words(number).capitalize()
        left = in_words(number - 1) if number > 1 else "no"
        verses.append(
            f"{many} green lantern{'s' if number != 1 else ''} hanging in a row,\n{many} green lantern{'s' if number != 1 else ''} hanging in a row,\n"
            f"And if one green lantern forgets to glow,\nThere'll be {left} green lantern{'' if number == 2 else 's'} hanging in a row."
        )
    return "\n\n".join(verses)


def cumulative_house() -> str:
    parts = (
        ("pie", "that Jill baked"), ("plum", "that sweetened the pie"), ("bird", "that pecked at the plum"),
        ("boy", "that startled the bird"), ("dog", "that ran after the boy"), ("cow", "that was chased by the dog"),
        ("maid", "that was milking the cow"), ("lad", "that whistled and wooed the maid"),
    )  # fmt: skip
    verses = []
    for last, (name, _) in enumerate(parts):
        lines = [
            f"This is the {name}",
            *(f"T{parts[index][1][1:]}" for index in range(last, -1, -1)),
        ]
        verses.append("\n".join(lines) + ".")
    return "**This Is the Pie That Jill Baked**\n\n" + "\n\n".join(verses)


def farm() -> str:
    verses = [
        f"Down on the hill there's a tumbledown farm,\n  Hey-di, hey-di, ho!\nAnd there lives {animal} who does no harm,\n  Hey-di, hey-di, ho!\n"
        f"With {sound}, {sound} here and {sound}, {sound} there,\n{sound} high and {sound} low and everywhere a {sound}, {sound},\n"
        "Down on the hill there's a tumbledown farm,\n  Hey-di, hey-di, ho!"
        for animal, sound in (("a cow", "moo"), ("a pig", "oink"), ("a duck", "quack"), ("a goat", "meh"), ("a hen", "cluck"))
    ]  # fmt: skip
    return "\n\n".join(verses)


def twelve_days() -> str:
    gifts = (
        "a ticket for the railway", "two woollen socks", "three clean spoons", "four cups of tea", "five good books",
        "six loaves a-baking", "seven cats a-napping", "eight bees a-buzzing", "nine bells a-chiming", "ten lads a-juggling",
        "eleven aunts a-knitting", "twelve clocks a-ticking",
    )  # fmt: skip
    names = (
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
    )
    verses = []
    for day, name in enumerate(names):
        lines = [f"{gift.capitalize()}," for gift in gifts[day:0:-1]]
        last = f"And {gifts[0]}." if day else f"{gifts[0].capitalize()}."
        verses.append(
            "\n".join([f"On the {name} day of December my grandma sent to me", *lines, last])
        )
    return "\n\n".join(verses)


def litany() -> str:
    saints = (
        "Saint Michael|Saint Gabriel|Saint Raphael|Saint John the Baptist|Saint Joseph|Saint Peter|Saint Paul|Saint Andrew|"
        "Saint James|Saint John|Saint Thomas|Saint Philip|Saint Matthew|Saint Barnabas|Saint Luke|Saint Mark|Saint Stephen|"
        "Saint Lawrence|Saint Vincent|Saint Gregory|Saint Ambrose|Saint Augustine|Saint Jerome|Saint Martin|Saint Nicholas|"
        "Saint Benedict|Saint Bernard|Saint Dominic|Saint Francis|Saint Agnes|Saint Cecilia|Saint Agatha|Saint Anastasia"
    ).split("|")
    opening = "Lord, have mercy. **Lord, have mercy.**\nChrist, have mercy. **Christ, have mercy.**\nLord, have mercy. **Lord, have mercy.**"
    return (
        f"{opening}\n\n"
        + "\n".join(f"{saint}, **pray for us.**" for saint in saints)
        + f"\n\n{opening}"
    )


def intercessions() -> str:
    petitions = (
        "For all who are ill and for those who sit at their beds", "For those who lost their work this year",
        "For children who are afraid to go to school", "For the teachers, nurses and drivers of our town",
        "For peace in the lands where there is war", "For prisoners and for those who guard them",
        "For farmers who wait for the rain", "For travellers on the roads and on the sea",
        "For those who govern, that they may listen", "For the lonely, that they may find a friend",
        "For our dead, whose names we keep in our hearts",
    )  # fmt: skip
    return "\n\n".join(
        f"*Reader:* {petition}, let us pray to the Lord.\n*All:* Lord, hear our prayer."
        for petition in petitions
    )


def rosary_decade() -> str:
    """Hail Mary ten times with a thought before each, as it is really prayed."""
    prayer = (
        "Hail Mary, full of grace, the Lord is with thee. Blessed art thou amongst women, and blessed is the fruit of thy womb, "
        "Jesus. Holy Mary, Mother of God, pray for us sinners, now and at the hour of our death. Amen."
    )
    thoughts = (
        "An angel comes to a small town.", "Mary is troubled by the greeting.", "She is told not to fear.", "She asks how this can be.",
        "The Spirit will overshadow her.", "Her cousin too is with child.", "Nothing is impossible with God.",
        "She calls herself a handmaid.", "She says: let it be done.", "And the angel departs from her.",
    )  # fmt: skip
    return "**The first joyful mystery**\n\n" + "\n\n".join(
        f"{number}. *{thought}*\n{prayer}" for number, thought in enumerate(thoughts, 1)
    )


def speech() -> str:
    wishes = (
        "a school where no child goes hungry", "a street where the old can walk without fear", "a hospital that asks for your pain and not for your purse",
        "a bus that comes when the timetable says so", "a factory that leaves the river clean", "a town hall with its doors open in the evening",
        "a library with its lights on", "a country that keeps its word",
    )  # fmt: skip
    return (
        "Friends, neighbours,\n\n"
        + "\n\n".join(
            f"We can build {wish}. They say it cannot be done. I say we can, and I say we will."
            for wish in wishes
        )
        + "\n\nThey say it cannot be done. Let us show them on the fifth of May!"
    )


def psalm() -> str:
    lines = (
        "He laid the beams of the sky", "He hung the lamps of the night", "He gave the salt to the sea", "He gave the dust to the moth",
        "He counts the sparrows at dusk", "He knows the hare in the frost", "He bends the barley with wind", "He lifts the barley with sun",
        "He opened the stone for the spring", "He closed the wound of the oak", "He remembers the poor of the town", "He forgets not the name of the least",
    )  # fmt: skip
    return "\n".join(f"{line},\n  for his mercy endures for ever." for line in lines)


RHYMES = {
    "ten-lanterns": ten_lanterns,
    "pie-that-jill-baked": cumulative_house,
    "farm-song": farm,
    "twelve-days": twelve_days,
    "litany": litany,
    "intercessions": intercessions,
    "rosary-decade": rosary_decade,
    "campaign-speech": speech,
    "psalm": psalm,
}
