"""Repetition that a user asks for in so many words, in the blind set: lines for school, laughter, test strings. blind_legitimate collects it."""
# ruff: noqa: SIM905

from .blind_words import Answers, in_words

LAUGH = """Okay, okay, I get it. 😂

Ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha!

Was that enough, or shall I go on?"""

GHOST = """"Is anyone there?" whispered Tom.

"Noooooooooooooooooooooooo," said the wind.

"Who said that?"

"Nooooooooooooooooooooooobody," said the wind.

Tom ran down the stairs. Bump, bump, bump, bump, bump, bump, bump, bump. He fell over the cat.

"Meow," said the cat. "Meow, meow, meow, meow, meow."

"Sorry, sorry, sorry, sorry!" said Tom. He pulled at the door. It did not open. He pulled and pulled and pulled and pulled and pulled.

Knock, knock, knock.

"Who is it?"

Knock, knock, knock.

"Go away! Go away, go away, go away!"

Knock, knock, knock.

"Tom," said his mother, "you are pulling at a door that you must push.\""""

EXCITED = """OH MY GOD!!!!!!!!!!!!!!! 🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉

CONGRATULATIONS!!!!! Yes yes yes yes yes yes yes yes YES!!!!!!! I am so, so, so, so, so happy for you two!!!!!!!!

💍💍💍💍💍💍💍💍💍💍💍💍💍💍💍💍💍💍💍💍

Tell me everything!!!! Where? When? How??????????"""

TRAIN = """Chugga chugga chugga chugga chugga chugga chugga chugga, choo choo!
Chugga chugga chugga chugga chugga chugga chugga chugga, choo choo!
Up the hill goes the little red train:
Chugga chugga chugga chugga chugga chugga chugga chugga, choo choo!
Down the hill in the wind and the rain:
Chugga chugga chugga chugga chugga chugga chugga chugga, choo choo!
Into the tunnel, dark, dark, dark, dark,
Out of the tunnel and past the park,
Chugga chugga, chugga chugga, chugga, chug … stop.
Ding ding ding ding ding ding!"""

TONGUE_TWISTERS = """Say each of these five times, slowly at first:

1. Red lorry, yellow lorry, red lorry, yellow lorry, red lorry, yellow lorry, red lorry, yellow lorry, red lorry, yellow lorry.
2. Unique New York, unique New York, unique New York, unique New York, unique New York.
3. Toy boat, toy boat, toy boat, toy boat, toy boat.
4. Irish wristwatch, Swiss wristwatch, Irish wristwatch, Swiss wristwatch, Irish wristwatch, Swiss wristwatch.
5. She sees cheese, she sees cheese, she sees cheese, she sees cheese, she sees cheese.
6. Eleven benevolent elephants, eleven benevolent elephants, eleven benevolent elephants.
7. Good blood, bad blood, good blood, bad blood, good blood, bad blood, good blood, bad blood."""

BREATHING = """Sit upright and let your shoulders drop. We do eight rounds.

Round 1: Breathe in … two … three … four. Hold … two … three … four. Breathe out … two … three … four. Hold … two … three … four.
Round 2: Breathe in … two … three … four. Hold … two … three … four. Breathe out … two … three … four. Hold … two … three … four.
Round 3: Breathe in … two … three … four. Hold … two … three … four. Breathe out … two … three … four. Hold … two … three … four.
Round 4: Breathe in … two … three … four. Hold … two … three … four. Breathe out … two … three … four. Hold … two … three … four.
Round 5: Breathe in … two … three … four. Hold … two … three … four. Breathe out … two … three … four. Hold … two … three … four.
Round 6: Breathe in … two … three … four. Hold … two … three … four. Breathe out … two … three … four. Hold … two … three … four.
Round 7: Breathe in … two … three … four. Hold … two … three … four. Breathe out … two … three … four. Hold … two … three … four.
Round 8: Breathe in … two … three … four. Hold … two … three … four. Breathe out … two … three … four. Hold … two … three … four.

Now let your breath go as it likes, and open your eyes."""


def school_lines() -> str:
    return "\n".join(["I will not talk in class."] * 20)


def numbered_lines() -> str:
    return "Here you go:\n\n" + "\n".join(
        f"{number}. I must not throw paper planes at Mr. Harris." for number in range(1, 26)
    )


def word_forty_times() -> str:
    return " ".join(["moon"] * 40)


def thank_you() -> str:
    languages = (
        "Danke Merci Gracias Grazie Obrigado Tak Takk Tack Kiitos Dziękuję Děkuji Ďakujem Hvala Köszönöm Mulțumesc Спасибо Дякую Благодаря "
        "Ευχαριστώ Teşekkürler תודה شكرا धन्यवाद ধন্যবাদ நன்றி ขอบคุณ 谢谢 ありがとう 감사합니다 Asante"
    ).split()
    return (
        " · ".join(languages)
        + "\n\nThank you, thank you, thank you, thank you, thank you! 🙏🙏🙏🙏🙏"
    )


def test_string() -> str:
    return (
        "A string of exactly 256 characters, for the field's length check:\n\n```\n"
        + "a" * 256
        + "\n```\n\nAnd one of 257, which must be refused:\n\n```\n"
        + "a" * 257
        + "\n```"
    )


def affirmations() -> str:
    claims = (
        "calm", "enough", "stronger than I think", "allowed to rest", "worthy of love", "proud of how far I have come", "open to new things",
        "in charge of my own day", "kind to my body", "grateful for small things", "patient with myself", "learning from my mistakes",
        "not my thoughts", "surrounded by people who care", "free to say no", "brave", "creative", "at peace with the past", "ready for tomorrow", "at home in myself",
    )  # fmt: skip
    return "\n".join(f"{number}. I am {claim}." for number, claim in enumerate(claims, 1))


def push_ups() -> str:
    cheers = {
        5: " Looking good!",
        10: " Halfway there!",
        15: " Don't quit now!",
        19: " One more!",
        20: " Done! 💪",
    }
    return "Ready? Let's go!\n\n" + "\n".join(
        f"{in_words(number).capitalize()}! Down … and up!{cheers.get(number, '')}"
        for number in range(1, 21)
    )


def chant() -> str:
    return (
        "Om mani padme hum, recited for one round of a short mala (27 beads):\n\n"
        + "\n".join(" · ".join(["Om mani padme hum"] * 3) for _ in range(9))
        + "\n\nRest in silence for a moment."
    )


def blank_form() -> str:
    fields = "First name|Last name|Street|Postcode and town|Phone|E-mail|Date of birth|Allergies|Emergency contact|Signature".split("|")  # fmt: skip
    return (
        "# Registration form\n\n"
        + "\n\n".join(f"**{field}:** {'_' * 40}" for field in fields)
        + "\n\n☐ I have read the rules.\n☐ I agree to pictures being taken.\n☐ I pay in cash.\n☐ I pay by transfer."
    )


WISHES: Answers = {
    "laughter": LAUGH,
    "ghost-story": GHOST,
    "congratulations": EXCITED,
    "train-sounds": TRAIN,
    "tongue-twisters": TONGUE_TWISTERS,
    "box-breathing": BREATHING,
    "school-lines": school_lines,
    "school-lines-numbered": numbered_lines,
    "one-word-forty-times": word_forty_times,
    "thank-you": thank_you,
    "length-test-strings": test_string,
    "affirmations": affirmations,
    "push-ups": push_ups,
    "chant": chant,
    "blank-form": blank_form,
}
