"""More answers, written after the guard's settings were fixed and never used to choose them: all are in the test half."""

# Lists of words read better as one text.
# ruff: noqa: SIM905
from collections.abc import Callable
from itertools import pairwise
from random import Random

from .legitimate_later_files import (
    NAMES,
    bibtex,
    dns_zone,
    go_cases,
    nginx,
    null_fields,
    open_api,
    rust_match,
    translations,
)

THINGS = "my home|my friends|warm bread|the first snow|quiet mornings|good books|clean water|my work|long walks|the sea|music|my health|new ideas|old letters|kind words|my teacher|the garden|a full fridge|sunlight|hot coffee|laughter|rest|the night sky|courage|second chances".split(
    "|"
)


def subtitles(random: Random) -> str:
    lines = "Where have you been?|I was at the station.|The train was late again.|Did you see her?|No. Nobody came.|We should leave tonight.|It is not safe.|Then I will go alone.".split(
        "|"
    )
    return "\n\n".join(
        f"{i}\n00:{i // 20:02}:{i * 3 % 60:02},{random.randint(0, 999):03} --> 00:{i // 20:02}:{(i * 3 + 2) % 60:02},{random.randint(0, 999):03}\n{random.choice(lines)}"
        for i in range(1, 61)
    )


def school_reports(random: Random) -> str:
    return "\n\n".join(
        f"{name} has made {random.choice(('good', 'very good', 'steady', 'excellent'))} progress in mathematics this term. {random.choice(('He', 'She'))} takes part in lessons and completes homework {random.choice(('on time', 'with care', 'most of the time'))}. Next term {name} should practise {random.choice(('fractions', 'long division', 'decimals', 'word problems'))} at home."
        for name in NAMES
    )


def forecast(random: Random) -> str:
    return "\n\n".join(
        f"**Day {d}:** {random.choice(('Sunny', 'Cloudy', 'Rainy', 'Windy'))} with a high of {random.randint(12, 25)}°C and a low of {random.randint(2, 11)}°C. Winds from the {random.choice(('north', 'south', 'east', 'west'))} at {random.randint(5, 30)} km/h. Chance of rain: {10 * random.randint(0, 9)}%."
        for d in range(1, 15)
    )


def gratitude(_: Random) -> str:
    return "\n".join(f"{i}. I am grateful for {thing}." for i, thing in enumerate(THINGS, 1))


def affirmations(_: Random) -> str:
    words = "strong calm brave kind patient honest loved creative focused capable worthy free enough healthy curious generous awake steady open proud".split()
    return "\n".join(f"I am {word}. I choose to be {word} today." for word in words)


def genealogy(random: Random) -> str:
    names = [
        f"{random.choice('ABEHJMNRSTZ')}{random.choice(('aron', 'dah', 'eth', 'iah', 'oram', 'uel', 'osh', 'abel'))}"
        for _ in range(40)
    ]
    return " ".join(
        f"And {a} lived {random.randint(60, 190)} years, and begat {b}: and {a} lived after he begat {b} {random.randint(300, 830)} years."
        for a, b in pairwise(names)
    )


def breathing(_: Random) -> str:
    return "\n\n".join(
        f"Round {i}\nBreathe in through your nose: one, two, three, four.\nHold: one, two, three, four.\nBreathe out slowly: one, two, three, four."
        for i in range(1, 9)
    )


def crochet(_: Random) -> str:
    return "\n".join(
        f"Round {i}: *sc in next {i - 1} st, inc*, repeat from * to * 6 times. ({6 * i} sts)"
        for i in range(2, 26)
    )


def interval_timer(_: Random) -> str:
    return "\n".join(f"Set {i}: 40 seconds of work, 20 seconds of rest." for i in range(1, 25))


def gradient_descent(_: Random) -> str:
    x, lines = 10.0, []
    for i in range(50):
        lines.append(
            f"Iteration {i}: x = {x:.4f}, f(x) = {x * x - 4 * x + 7:.4f}, gradient = {2 * x - 4:.4f}"
        )
        x -= 0.1 * (2 * x - 4)
    return "\n".join(lines)


def epochs(random: Random) -> str:
    return "\n".join(
        f"Epoch {i}/60 - loss: {2 / i + random.random() / 20:.4f} - accuracy: {1 - 1 / (i + 1):.4f} - val_loss: {2.1 / i + random.random() / 15:.4f}"
        for i in range(1, 61)
    )


def ping(random: Random) -> str:
    return "\n".join(
        f"64 bytes from 192.0.2.7: icmp_seq={i} ttl=57 time={10 + random.random() * 5:.1f} ms"
        for i in range(1, 51)
    )


def pods(random: Random) -> str:
    return "\n".join(
        f"web-{random.randbytes(4).hex()}-{random.choice('bcdfghjk')}{random.randint(10, 99)}   1/1   Running   {random.randint(0, 3)}   {random.randint(1, 90)}d"
        for _ in range(50)
    )


def recursion_traceback(_: Random) -> str:
    frame = '  File "factorial.py", line 4, in factorial\n    return n * factorial(n - 1)\n               ^^^^^^^^^^^^^^^^\n'
    return (
        "Traceback (most recent call last):\n"
        + frame * 3
        + "  [Previous line repeated 995 more times]\nRecursionError: maximum recursion depth exceeded"
    )


def true_false(random: Random) -> str:
    return "\n".join(f"{i}. {random.choice(('True', 'False'))}" for i in range(1, 101))


def answer_key(random: Random) -> str:
    return "\n".join(
        f"Question {i}: The correct answer is {random.choice('ABCD')}." for i in range(1, 51)
    )


def seating(random: Random) -> str:
    return "\n".join(f"Table {i}: " + ", ".join(random.sample(NAMES, 6)) for i in range(1, 21))


def dice(_: Random) -> str:
    return "\n".join(f"({a}, {b}): the sum is {a + b}" for a in range(1, 7) for b in range(1, 7))


def pascal(_: Random) -> str:
    rows = [[1]]
    while len(rows) < 18:
        rows.append([1, *(a + b for a, b in pairwise(rows[-1])), 1])
    return "\n".join(" ".join(map(str, row)) for row in rows)


def times_in_words(_: Random) -> str:
    return "\n".join(f"{a} times {b} is {a * b}." for a in range(1, 13) for b in range(1, 13))


def spanish_numbers(_: Random) -> str:
    tens, ones = (
        "treinta cuarenta cincuenta sesenta setenta ochenta noventa".split(),
        "uno dos tres cuatro cinco seis siete ocho nueve".split(),
    )
    return "\n".join(
        f"{30 + 10 * i + j}: {ten} y {one}"
        for i, ten in enumerate(tens)
        for j, one in enumerate(ones, 1)
    )


def battle(random: Random) -> str:
    return "\n".join(
        f"Turn {i}: the {random.choice(('knight', 'goblin', 'wizard'))} attacks the {random.choice(('dragon', 'troll', 'ghost'))} for {random.randint(1, 20)} damage. ({200 - 4 * i} HP left)"
        for i in range(1, 36)
    )


def villanelle(_: Random) -> str:
    a, b = "The river keeps the names we throw away.", "I hear them in the reeds at close of day."
    middle = "My mother's voice was woven out of clay,|A boat goes by, its lantern burning low,|We built a wall and did not think to stay,|The frost has come where barley used to grow,|So let the evening have what evenings may,|There is no map for where the waters go,".split(
        "|"
    )
    return (
        "\n\n".join(
            f"{line}\nand all that I have loved is left to flow.\n{(a, b)[i % 2]}"
            for i, line in enumerate(middle)
        )
        + f"\n{a}\n{b}"
    )


def knock_knock(_: Random) -> str:
    return "\n\n".join(
        f"Knock, knock.\nWho's there?\n{n}.\n{n} who?\n{n} you glad I came to visit?"
        for n in NAMES[:14]
    )


def football_chant(_: Random) -> str:
    return "Olé, olé olé olé, olé, olé!\n" * 12 + "We are the champions of the town!\n" * 4


def brain(_: Random) -> str:
    return (
        "++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]>>.>---.+++++++..+++.>>.<-.<.+++.------.--------.>>+.>++.\n"
        * 3
        + "+" * 72
        + ".\n"
        + "-" * 40
        + "."
    )


def separator_lines(random: Random) -> str:
    return "\n".join(
        f"{'=' * 78}\n  SECTION {i}: {random.choice(NAMES).upper()}\n{'=' * 78}\n{random.choice(THINGS).capitalize()} is described here."
        for i in range(1, 13)
    )


def zero_months(_: Random) -> str:
    return "account,jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec\n" + "\n".join(
        f"{n.lower()}," + ",".join(["0.00"] * 12) for n in NAMES
    )


def dunning_letters(_: Random) -> str:
    body = "Dear {n},\n\nour records show that invoice {i} of 1 March is still open. Please pay the amount of {e} euros within {d} days to the account below. If you have already paid, please take this letter as settled.\n\nYours sincerely,\nThe accounts department"
    return "\n\n---\n\n".join(
        body.format(n=n, i=2040 + k, e=80 + 37 * k, d=14 - 3 * k) for k, n in enumerate(NAMES[:4])
    )


LATER: dict[str, Callable[[Random], str]] = {
    f"later_{made.__name__}": made
    for made in (subtitles, school_reports, forecast, gratitude, affirmations, genealogy, breathing, crochet, interval_timer, gradient_descent, epochs, ping, pods, recursion_traceback, null_fields, dns_zone, go_cases, rust_match, open_api, nginx, translations, bibtex, true_false, answer_key, seating, dice, pascal, times_in_words, spanish_numbers, battle, villanelle, knock_knock, football_chant, brain, separator_lines, zero_months, dunning_letters)
}  # fmt: skip
