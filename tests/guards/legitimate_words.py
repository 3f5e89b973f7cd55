"""Answers in words that repeat on purpose: songs, poems, drills, plans, clauses; old songs and texts of our own."""
# Lists of words read better as one text; other scripts have other marks.
# ruff: noqa: SIM905, RUF001, PERF401

from random import Random

VERBS = "speak learn write read work play travel cook sing dance".split()
PERSONS = ("I", "you", "he", "she", "we", "you", "they")
DRILLS = "squats lunges push-ups planks burpees crunches sit-ups dips".split()
FOODS = "oatmeal lentils salmon rice tofu eggs salad soup pasta beans chicken yoghurt fruit bread cheese".split()


def conjugation(_: Random) -> str:
    return "\n\n".join(
        f"**to {verb}**\n" + "\n".join(f"- {p} will have been {verb}ing" for p in PERSONS)
        for verb in VERBS
    )


def training_plan(random: Random) -> str:
    return "\n\n".join(
        f"**Week {week}**\n"
        + "\n".join(
            f"- {day}: {random.choice((2, 3, 4))} sets of {8 + week} {random.choice(DRILLS)}, rest {random.choice((60, 90))} seconds between sets"
            for day in ("Monday", "Wednesday", "Friday")
        )
        for week in range(1, 13)
    )


def run_plan(_: Random) -> str:
    """The same week again and again, a little longer each time."""
    return "\n".join(
        f"Week {w}: run {w + 1} km on Tuesday, {w + 1} km on Thursday and {w + 3} km on Sunday."
        for w in range(1, 17)
    )


def meal_plan(random: Random) -> str:
    return "\n\n".join(
        f"Day {day}\nBreakfast: {random.choice(FOODS)} with {random.choice(FOODS)}\nLunch: {random.choice(FOODS)} with {random.choice(FOODS)}\nDinner: {random.choice(FOODS)} with {random.choice(FOODS)}"
        for day in range(1, 31)
    )


def knitting(_: Random) -> str:
    rows = []
    for row in range(1, 33):
        rows.append(
            f"Row {row}: "
            + (
                "Purl all stitches."
                if row % 2 == 0
                else f"K2, k2tog, knit to last 4 stitches, ssk, k2. ({80 - row - 1} sts)"
            )
        )
    return "\n".join(rows)


def savings_table(_: Random) -> str:
    return "\n".join(f"After year {y} you have {1000 * 1.04**y:,.2f} euros." for y in range(1, 31))


def word_problem(_: Random) -> str:
    return "\n".join(
        f"Step {i}: subtract 7 from {200 - 7 * (i - 1)} to get {200 - 7 * i}." for i in range(1, 26)
    )


def vocabulary(random: Random) -> str:
    pairs = "house Haus|tree Baum|dog Hund|cat Katze|water Wasser|bread Brot|milk Milch|book Buch|table Tisch|chair Stuhl|door Tür|window Fenster|street Straße|city Stadt|train Zug|car Auto|sun Sonne|moon Mond|star Stern|rain Regen|snow Schnee|wind Wind|fire Feuer|earth Erde|hand Hand|foot Fuß|eye Auge|ear Ohr|nose Nase|mouth Mund".split(
        "|"
    )
    return "\n".join(
        f"{i}. the {en} – {random.choice(('der', 'die', 'das'))} {de}"
        for i, (en, de) in enumerate((p.split() for p in pairs), 1)
    )


def flash_cards(_: Random) -> str:
    cities = {
        "France": "Paris",
        "Italy": "Rome",
        "Spain": "Madrid",
        "Norway": "Oslo",
        "Portugal": "Lisbon",
        "Austria": "Vienna",
        "Ireland": "Dublin",
        "Greece": "Athens",
        "Poland": "Warsaw",
        "Finland": "Helsinki",
        "Croatia": "Zagreb",
        "Estonia": "Tallinn",
        "Japan": "Tokyo",
        "Peru": "Lima",
        "Kenya": "Nairobi",
        "Egypt": "Cairo",
        "Cuba": "Havana",
        "Iran": "Tehran",
        "Nepal": "Kathmandu",
        "Chile": "Santiago",
    }
    return "\n\n".join(
        f"Q: What is the capital of {country}?\nA: The capital of {country} is {city}."
        for country, city in cities.items()
    )


def contract(_: Random) -> str:
    subjects = (
        "deliver the goods",
        "pay the price",
        "insure the goods",
        "keep records",
        "give notice of defects",
        "keep confidential what it learns",
        "obtain the permits",
        "bear the taxes",
        "return the packaging",
        "name a contact person",
        "settle disputes in good faith",
        "keep to data protection law",
    )
    return "\n\n".join(
        f"§ {i}. The {'Seller' if i % 2 else 'Buyer'} shall {what} in accordance with the terms of this Agreement. Where the {'Seller' if i % 2 else 'Buyer'} fails to do so within thirty (30) days of written notice, the other party may terminate this Agreement."
        for i, what in enumerate(subjects, 1)
    )


def bedtime_story(_: Random) -> str:
    animals = ("rabbit", "fox", "bear", "owl", "hedgehog", "badger", "deer", "wolf", "mole")
    return "\n\n".join(
        f'Then the little mouse met a {animal}. "Have you seen my mother?" asked the little mouse. "No," said the {animal}, "I have not seen your mother. Ask the one who lives behind the next hill." So the little mouse walked on.'
        for animal in animals
    )


def times_table_chinese(_: Random) -> str:
    digits = "一二三四五六七八九"

    def number(n: int) -> str:
        ten, one = divmod(n, 10)
        return ("" if ten == 0 else ("" if ten == 1 else digits[ten - 1]) + "十") + (
            digits[one - 1] if one else ""
        )

    return "\n".join(
        "，".join(f"{digits[i]}{digits[j]}得{number((i + 1) * (j + 1))}" for i in range(j + 1))
        for j in range(9)
    )


def emoji_rows(random: Random) -> str:
    return (
        "\n".join("".join(random.choice("🍎🍌🍇🍒") for _ in range(12)) for _ in range(20))
        + "\n"
        + "🎉" * 80
    )


def emoji_grid(_: Random) -> str:
    return "\n".join("⬛⬜" * 4 if row % 2 else "⬜⬛" * 4 for row in range(8))


def japanese_counting(_: Random) -> str:
    return "\n".join(f"{n}人の子供が公園で遊んでいます。" for n in "一二三四五六七八九十")


def arabic_lines(_: Random) -> str:
    words = "بيت كتاب مدرسة شجرة قمر شمس بحر جبل نهر طريق باب نافذة قلم ورقة سماء أرض".split()
    return "\n".join(f"{i}. هذه كلمة {word} في جملة قصيرة." for i, word in enumerate(words, 1))


def countdown_speech(_: Random) -> str:
    return (
        "\n".join(f"T minus {second} seconds and counting." for second in range(60, 0, -2))
        + "\nLift-off!"
    )


def sentences_with_counter(_: Random) -> str:
    """What one gets who asks for twenty sheep."""
    return "\n".join(f"{i} sheep jumped over the fence." for i in range(1, 21)) + "\nGood night!"


WORDS = {
    made.__name__: made
    for made in (
        conjugation, training_plan, run_plan, meal_plan,
        knitting, savings_table, word_problem, vocabulary, flash_cards, contract, bedtime_story, times_table_chinese, emoji_rows,
        emoji_grid, japanese_counting, arabic_lines, countdown_speech, sentences_with_counter,
    )
}  # fmt: skip
