"""Questions and answers, steps, entries and exercises of the blind set. blind_legitimate collects them."""
# ruff: noqa: RUF001, SIM905

from .blind_words import Answers

FAQ = """**Q: How long does delivery take?**
A: Orders placed before noon leave our warehouse on the same day. Delivery then takes one to three working days.

**Q: How much does delivery cost?**
A: Delivery costs €4.90. Orders above €50 are delivered free of charge.

**Q: Do you deliver abroad?**
A: Yes, we deliver to all countries of the European Union. Delivery abroad costs €9.90.

**Q: How can I pay?**
A: You can pay by credit card, PayPal, direct debit or on account.

**Q: When is my card charged?**
A: Your card is charged on the day your order leaves our warehouse.

**Q: Can I change my order?**
A: Yes, as long as it has not left our warehouse. Please call us as soon as you can.

**Q: Can I cancel my order?**
A: Yes, as long as it has not left our warehouse. After that you can return it free of charge.

**Q: How do I return an item?**
A: Print the label from your account, stick it on the parcel and take it to any post office.

**Q: How long do I have to return an item?**
A: You have 30 days from the day you received it.

**Q: When do I get my money back?**
A: You get your money back within five working days of the day we receive the item.

**Q: My item arrived damaged. What should I do?**
A: We are sorry! Please send us a picture of the item and of the parcel. We will send you a new one free of charge.

**Q: My item has not arrived. What should I do?**
A: Please check the tracking link in your e-mail first. If it has not moved for three days, call us.

**Q: I forgot my password. What should I do?**
A: Click on "Forgot password" and enter your e-mail address. We will send you a link.

**Q: How do I delete my account?**
A: Go to "Settings", then to "Account", and click on "Delete account"."""

QUIZ = """**1. Which planet is closest to the sun?**
a) Venus  b) Mercury  c) Mars  d) Earth
*Answer: b) Mercury*

**2. Which planet is the largest?**
a) Saturn  b) Neptune  c) Jupiter  d) Uranus
*Answer: c) Jupiter*

**3. Which planet is the hottest?**
a) Venus  b) Mercury  c) Mars  d) Jupiter
*Answer: a) Venus*

**4. Which planet has the most moons?**
a) Jupiter  b) Saturn  c) Uranus  d) Mars
*Answer: b) Saturn*

**5. Which planet is called the red planet?**
a) Venus  b) Mercury  c) Mars  d) Neptune
*Answer: c) Mars*

**6. Which planet lies on its side?**
a) Saturn  b) Neptune  c) Jupiter  d) Uranus
*Answer: d) Uranus*

**7. Which planet is farthest from the sun?**
a) Saturn  b) Neptune  c) Jupiter  d) Uranus
*Answer: b) Neptune*

**8. Which planet has the shortest day?**
a) Jupiter  b) Earth  c) Mars  d) Mercury
*Answer: a) Jupiter*

**9. Which planet would float on water?**
a) Neptune  b) Venus  c) Saturn  d) Mars
*Answer: c) Saturn*

**10. Which planet is our own?**
a) Mars  b) Venus  c) Mercury  d) Earth
*Answer: d) Earth*"""

RECIPE = """## Croissants

**Day 1**
1. Mix 500 g of flour, 60 g of sugar, 10 g of salt and 7 g of yeast.
2. Add 280 ml of cold milk and knead for 5 minutes.
3. Cover the dough and put it in the fridge overnight.

**Day 2: the folds**
4. Roll 280 g of cold butter between two sheets of paper to a square of 18 cm.
5. Roll the dough to a square of 25 cm, lay the butter on it and fold the corners over it.
6. Roll the dough to 60 × 20 cm. Fold it in three, wrap it, and put it in the fridge for 30 minutes.
7. Turn the dough by 90°. Roll it to 60 × 20 cm again. Fold it in three, wrap it, and put it in the fridge for 30 minutes.
8. Turn the dough by 90°. Roll it to 60 × 20 cm a third time. Fold it in three, wrap it, and put it in the fridge for an hour.

**Day 2: shaping**
9. Roll the dough to 100 × 20 cm and cut it into triangles.
10. Roll each triangle up from the wide end.
11. Leave them for two hours at room temperature.
12. Brush them with egg. Bake for 10 minutes at 200 °C, then for 10 minutes at 180 °C."""

DICTIONARY = """**run** /rʌn/ *verb*, **ran**, **run**

1. to move fast on foot. *She runs every morning.*
2. to move something fast. *He ran his fingers along the shelf.*
3. (of a machine) to work. *The engine is running.*
4. to make a machine work. *Run the program again.*
5. to manage. *They run a small hotel.*
6. (of a liquid) to flow. *Your nose is running.*
7. (of a colour) to come out in the wash. *The red shirt ran.*
8. (of a bus or train) to go at set times. *Trains run every hour.*
9. to be a candidate. *She is running for mayor.*
10. to last. *The play ran for two years.*
11. to print. *The paper ran the story.*

**run** /rʌn/ *noun*

1. an act of running. *I go for a run before breakfast.*
2. a series. *We had a run of bad luck.*
3. a point in cricket or baseball. *They need two runs.*
4. a slope for skiing. *This is the longest run.*
5. a hole in a stocking. *You have a run in your tights.*

**runner** /ˈrʌnə/ *noun*

1. a person who runs. *There were 200 runners.*
2. a long narrow carpet. *There was a red runner on the stairs.*
3. one of the two bars under a sledge. *Wax the runners.*"""

NEVER_HAVE_I = """1. Never have I ever slept in an airport.
2. Never have I ever lied about my age.
3. Never have I ever broken a bone.
4. Never have I ever eaten a whole cake alone.
5. Never have I ever fallen asleep in a cinema.
6. Never have I ever sung karaoke sober.
7. Never have I ever missed a flight.
8. Never have I ever met a celebrity.
9. Never have I ever sent a message to the wrong person.
10. Never have I ever cried at a wedding.
11. Never have I ever cut my own hair.
12. Never have I ever ridden a horse.
13. Never have I ever forgotten a birthday.
14. Never have I ever danced on a table.
15. Never have I ever eaten something off the floor.
16. Never have I ever walked into a glass door.
17. Never have I ever been stung by a jellyfish.
18. Never have I ever laughed at a funeral.
19. Never have I ever worn odd socks to work.
20. Never have I ever read someone else's diary."""


def grammar_drill() -> str:
    verbs = "eat ate eaten|go went gone|see saw seen|take took taken|write wrote written|speak spoke spoken|break broke broken|choose chose chosen|drive drove driven|give gave given|know knew known|forget forgot forgotten".split(
        "|"
    )
    blocks = []
    for verb in verbs:
        base, past, participle = verb.split()
        blocks.append(
            f"**{base}**\nI {base} every day.\nI {past} yesterday.\nI have {participle} already.\nI will {base} tomorrow.\nI did not {base} last week.\nDid you {base}?"
        )
    return "Read the sentences aloud, then say them with *he* and *she*:\n\n" + "\n\n".join(blocks)


def survey() -> str:
    claims = (
        "My tasks are clear to me.", "I have the tools I need.", "My manager listens to me.", "My manager gives me useful feedback.",
        "My colleagues help me when I need it.", "I can influence decisions that affect me.", "My workload is manageable.",
        "I can combine my work with my private life.", "I am paid fairly.", "I learn new things at work.", "I would recommend this company to a friend.",
        "I see myself here in two years.",
    )  # fmt: skip
    scale = "☐ strongly disagree  ☐ disagree  ☐ neither  ☐ agree  ☐ strongly agree"
    return "Please tick one box for each statement.\n\n" + "\n\n".join(
        f"{number}. {claim}\n   {scale}" for number, claim in enumerate(claims, 1)
    )


def flashcards() -> str:
    cards = (
        ("Hydrogen", "H", 1), ("Helium", "He", 2), ("Lithium", "Li", 3), ("Beryllium", "Be", 4), ("Boron", "B", 5), ("Carbon", "C", 6),
        ("Nitrogen", "N", 7), ("Oxygen", "O", 8), ("Fluorine", "F", 9), ("Neon", "Ne", 10), ("Sodium", "Na", 11), ("Magnesium", "Mg", 12),
        ("Aluminium", "Al", 13), ("Silicon", "Si", 14), ("Phosphorus", "P", 15), ("Sulfur", "S", 16), ("Chlorine", "Cl", 17), ("Argon", "Ar", 18),
    )  # fmt: skip
    return "\n\n".join(
        f"**Front:** What is the symbol and the atomic number of {name.lower()}?\n**Back:** The symbol is {symbol}, the atomic number is {number}."
        for name, symbol, number in cards
    )


def knock_knock() -> str:
    jokes = (
        ("Lettuce", "Lettuce in, it's cold out here!"), ("Boo", "Don't cry, it's only a joke."), ("Tank", "You're welcome!"),
        ("Olive", "Olive you, too!"), ("Harry", "Harry up and open the door!"), ("Justin", "Justin time for dinner."),
        ("Wooden shoe", "Wooden shoe like to hear another joke?"), ("Alpaca", "Alpaca the suitcase, you load the car."), ("Noah", "Noah good place to eat?"),
    )  # fmt: skip
    return "\n\n".join(
        f"Knock, knock.\nWho's there?\n{name}.\n{name} who?\n{end}" for name, end in jokes
    )


def long_addition() -> str:
    total, lines = 0.0, []
    for number, amount in enumerate(
        (12.5, 7.25, 3.99, 41, 18.75, 6.4, 22.1, 9.95, 30, 4.5, 15.2, 8.8, 2.35, 11.6), 1
    ):
        lines.append(f"Step {number}: {total:g} + {amount:g} = {round(total + amount, 2):g}")
        total = round(total + amount, 2)
    return "Adding them one at a time:\n\n" + "\n".join(lines) + f"\n\nThe total is **{total:g}**."


LISTS: Answers = {
    "shop-faq": FAQ,
    "planet-quiz": QUIZ,
    "croissants": RECIPE,
    "dictionary": DICTIONARY,
    "never-have-i-ever": NEVER_HAVE_I,
    "grammar-drill": grammar_drill,
    "survey": survey,
    "flashcards": flashcards,
    "knock-knock": knock_knock,
    "step-by-step-sum": long_addition,
}
