"""Answers that count, enumerate or draw: they were asked for, and they end."""
# Lists of words read better as one text.
# ruff: noqa: SIM905

from datetime import date, timedelta
from itertools import pairwise, product
from random import Random

ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(number: int) -> str:
    if number < 20:
        return ONES[number - 1]
    if number == 100:
        return "one hundred"
    return TENS[number // 10 - 2] + (f"-{ONES[number % 10 - 1]}" if number % 10 else "")


def roman(number: int) -> str:
    made = ""
    for value, sign in (
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ):
        made, number = made + sign * (number // value), number % value
    return made


def count_commas(_: Random) -> str:
    return "Sure! " + ", ".join(map(str, range(1, 201))) + "."


def count_lines(_: Random) -> str:
    return "\n".join(map(str, range(1, 201)))


def count_down(_: Random) -> str:
    return "... ".join(map(str, range(100, 0, -1))) + "... lift-off!"


def count_words(_: Random) -> str:
    return "\n".join(f"{i}. {in_words(i)}" for i in range(1, 101))


def count_hundreds(_: Random) -> str:
    return ", ".join(map(str, range(0, 20001, 100)))


def even_numbers(_: Random) -> str:
    return "\n".join(f"{i}. {2 * i}" for i in range(1, 101))


def fizz_buzz(_: Random) -> str:
    return "\n".join("Fizz" * (i % 3 == 0) + "Buzz" * (i % 5 == 0) or str(i) for i in range(1, 101))


def primes(_: Random) -> str:
    return ", ".join(
        str(n) for n in range(2, 2000) if all(n % k for k in range(2, int(n**0.5) + 1))
    )


def squares(_: Random) -> str:
    return "\n".join(f"{i}² = {i * i}" for i in range(1, 101))


def powers(_: Random) -> str:
    return "\n".join(f"2^{i} = {2**i:,}" for i in range(65))


def fibonacci(_: Random) -> str:
    found = [0, 1]
    while len(found) < 70:
        found.append(found[-1] + found[-2])
    return "\n".join(f"F({i}) = {value}" for i, value in enumerate(found))


def binary(_: Random) -> str:
    return "\n".join(f"{i:>3}  {i:08b}  0x{i:02X}" for i in range(128))


def roman_numerals(_: Random) -> str:
    return "\n".join(f"{i} = {roman(i)}" for i in range(1, 101))


def ascii_codes(_: Random) -> str:
    return "\n".join(f"{i}  0x{i:02x}  {chr(i)}" for i in range(33, 127))


def three_letters(_: Random) -> str:
    return " ".join("".join(letters) for letters in product("abcd", repeat=4))


def permutations(_: Random) -> str:
    return "\n".join("".join(p) for p in product("ABCDE", repeat=5) if len(set(p)) == 5)


def dates(_: Random) -> str:
    first = date(2024, 1, 1)
    return "\n".join(f"{first + timedelta(days=i):%A, %d %B %Y}" for i in range(90))


def iso_dates(_: Random) -> str:
    first = date(2024, 1, 1)
    return "\n".join(f"{first + timedelta(days=i)}" for i in range(120))


def ip_addresses(_: Random) -> str:
    return "\n".join(f"192.168.1.{i}" for i in range(1, 129))


def file_names(_: Random) -> str:
    return "\n".join(f"IMG_20240512_{i:04}.jpg" for i in range(1, 101))


def hanoi(_: Random) -> str:
    moves: list[str] = []

    def move(number: int, source: str, target: str, spare: str) -> None:
        if number:
            move(number - 1, source, spare, target)
            moves.append(f"{len(moves) + 1}. Move disk {number} from rod {source} to rod {target}.")
            move(number - 1, spare, target, source)

    move(6, "A", "C", "B")
    return "\n".join(moves)


def bubble_sort(random: Random) -> str:
    values, lines = random.sample(range(10, 99), 9), []
    for end in range(8, 0, -1):
        for i in range(end):
            if values[i] > values[i + 1]:
                values[i], values[i + 1] = values[i + 1], values[i]
                lines.append(f"Swap positions {i} and {i + 1}: {values}")
    return "\n".join(lines)


def collatz(_: Random) -> str:
    number, lines = 27, []
    while number != 1:
        odd = number % 2
        following = 3 * number + 1 if odd else number // 2
        lines.append(f"{number} is {'odd, so 3n + 1' if odd else 'even, so n / 2'} = {following}")
        number = following
    return "\n".join(lines[:70])


def dna(random: Random) -> str:
    return ">sequence 1\n" + "\n".join("".join(random.choices("ACGT", k=60)) for _ in range(30))


def dna_repeats(random: Random) -> str:
    """Huntington's gene has CAG some forty times in a row."""
    flank = ["".join(random.choices("ACGT", k=180)) for _ in range(2)]
    return flank[0] + "CAG" * 45 + "CCG" * 8 + flank[1]


def protein(random: Random) -> str:
    return "\n".join("".join(random.choices("ACDEFGHIKLMNPQRSTVWY", k=60)) for _ in range(15))


def steps_between(_: Random) -> str:
    return "\n".join(f"From {a} to {b} is {b - a}." for a, b in pairwise(i * i for i in range(40)))


SEQUENCES = {
    made.__name__: made
    for made in (
        count_commas, count_lines, count_down, count_words, count_hundreds, even_numbers, fizz_buzz, primes, squares, powers,
        fibonacci, binary, roman_numerals, ascii_codes, three_letters, permutations, dates, iso_dates, ip_addresses, file_names,
        hanoi, bubble_sort, collatz, dna, dna_repeats, protein, steps_between,
    )
}  # fmt: skip
