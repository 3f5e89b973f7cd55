"""Numbers, letters and encodings in a row, in the blind set: counting, hex, base64, DNA, chess, notes. blind_legitimate collects it."""
# ruff: noqa: SIM905

import base64

from .blind_words import chance, fenced, in_words


def count_to_200() -> str:
    return ", ".join(map(str, range(1, 201)))


def count_in_words() -> str:
    return "\n".join(f"{number}. {in_words(number)}" for number in range(1, 101))


def countdown() -> str:
    lines = [f"{number}…" for number in range(30, 0, -1)]
    return "T minus thirty seconds.\n\n" + "\n".join(lines) + "\n\nLift-off! 🚀"


def sheep() -> str:
    lines = [
        f"{in_words(number).capitalize()} sheep jump{'s' if number == 1 else ''} over the fence."
        for number in range(1, 31)
    ]
    return (
        "Close your eyes and breathe slowly.\n\n" + "\n".join(lines) + "\n\nGood night. Sleep well."
    )


def fizz_buzz() -> str:
    words = [
        "FizzBuzz"
        if number % 15 == 0
        else "Fizz"
        if number % 3 == 0
        else "Buzz"
        if number % 5 == 0
        else str(number)
        for number in range(1, 101)
    ]
    return "\n".join(words)


def primes() -> str:
    found = [
        number
        for number in range(2, 1000)
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1))
    ]
    return "The primes below 1,000 are:\n\n" + ", ".join(map(str, found))


def collatz() -> str:
    lines, number = [], 27
    while number != 1:
        following = number // 2 if number % 2 == 0 else 3 * number + 1
        lines.append(
            f"{number} is {'even, so we halve it' if number % 2 == 0 else 'odd, so we triple it and add 1'}: {following}"
        )
        number = following
    return "Starting from 27:\n\n" + "\n".join(lines[:45]) + "\n\n… and so on until 1."


def binary() -> str:
    return "\n".join(f"{number:2d} = {number:06b}" for number in range(64))


def squares() -> str:
    return "\n".join(f"{number}² = {number * number}" for number in range(1, 51))


def powers() -> str:
    return "\n".join(f"2^{exponent} = {2**exponent}" for exponent in range(65))


def roman() -> str:
    parts = ((50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
    lines = []
    for number in range(1, 81):
        rest, text = number, ""
        for value, letters in parts:
            text += letters * (rest // value)
            rest %= value
        lines.append(f"{number} = {text}")
    return "\n".join(lines)


def hex_dump() -> str:
    header = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + b"\x03\x00\x3e\x00\x01\x00\x00\x00\x40\x10"
        + bytes(6)
        + b"\x40"
    )
    body = (
        header
        + bytes(7)
        + b"\x98\x36"
        + bytes(14)
        + b"/lib64/ld-linux-x86-64.so.2"
        + bytes(13)
        + b"GNU"
        + bytes(70)
    )
    body += chance(41).randbytes(120) + bytes(96) + b"printf\x00puts\x00exit\x00" + bytes(64)
    lines = []
    for start in range(0, len(body), 16):
        row = body[start : start + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}: {row.hex(' ', 2):<39}  {shown}")
    return fenced("", "\n".join(lines))


def base64_file() -> str:
    size = (54 + 768).to_bytes(4, "little")
    pixels = bytearray(b"BM" + size + bytes(4) + b"\x36\x00\x00\x00\x28\x00\x00\x00\x10\x00\x00\x00\x10\x00\x00\x00\x01\x00\x18\x00" + bytes(24))  # fmt: skip
    for row in range(16):
        for column in range(16):
            inside = (row - 7.5) ** 2 + (column - 7.5) ** 2 < 42
            pixels += bytes((30, 60 + row * 8, 220)) if inside else b"\xff\xff\xff"
    text = base64.b64encode(bytes(pixels)).decode()
    return "A red dot on white, as a bitmap:\n\n" + fenced(
        "", "\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    )


def base64_key() -> str:
    text = base64.b64encode(chance(42).randbytes(1600)).decode()
    return (
        "-----BEGIN CERTIFICATE-----\n"
        + "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
        + "\n-----END CERTIFICATE-----"
    )


def dna() -> str:
    draw = chance(43)
    bases = "".join(draw.choices("ACGT", k=600)) + "CAG" * 24 + "".join(draw.choices("ACGT", k=400))
    lines = []
    for start in range(0, len(bases), 60):
        row = bases[start : start + 60]
        lines.append(
            f"{start + 1:>9} "
            + " ".join(row[part : part + 10].lower() for part in range(0, len(row), 10))
        )
    return "ORIGIN\n" + "\n".join(lines) + "\n//"


def chess() -> str:
    moves = (
        "e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6 O-O Be7 Re1 b5 Bb3 d6 c3 O-O h3 Nb8 d4 Nbd7 c4 c6 cxb5 axb5 Nc3 Bb7 Bg5 b4 Nb1 h6 Bh4 c5 dxe5 "
        "Nxe4 Bxe7 Qxe7 exd6 Qf6 Nbd2 Nxd6 Nc4 Nxc4 Bxc4 Nb6 Ne5 Rae8 Bxf7+ Rxf7 Nxf7 Rxe1+ Qxe1 Kxf7 Qe3 Qg5 Qxg5 hxg5 b3 Ke6 a3 Kd6 "
        "axb4 cxb4 Ra5 Nd5 f3 Bc8 Kf2 Bf5 Ra7 g6 Ra6+ Kc5 Ke1 Nf4 g3 Nxh3 Kd2 Kb5 Rd6 Kc5 Ra6 Nf2 g4 Bd3 Re6"
    ).split()
    pairs = [
        f"{number // 2 + 1}. {' '.join(moves[number : number + 2])}"
        for number in range(0, len(moves), 2)
    ]
    return '[Event "Match"]\n[White "Player A"]\n[Black "Player B"]\n[Result "1-0"]\n\n' + "\n".join([*pairs, "1-0"])  # fmt: skip


def notes() -> str:
    bars = (
        ("C4 C4 G4 G4", "A4 A4 G4 -", "F4 F4 E4 E4", "D4 D4 C4 -"),
        ("G4 G4 F4 F4", "E4 E4 D4 -", "G4 G4 F4 F4", "E4 E4 D4 -"),
        ("C4 C4 G4 G4", "A4 A4 G4 -", "F4 F4 E4 E4", "D4 D4 C4 -"),
    )
    return "Twinkle, Twinkle in C major, one beat a note:\n\n" + "\n\n".join(
        "\n".join(f"| {bar} |" for bar in part) for part in bars
    )


def midi_events() -> str:
    lines = ["tick,type,channel,note,velocity"]
    pattern = ((36, 110), (42, 70), (42, 60), (42, 70), (38, 105), (42, 70), (42, 60), (46, 80))
    for bar in range(6):
        for step, (note, velocity) in enumerate(pattern):
            tick = bar * 1920 + step * 240
            lines.append(f"{tick},note_on,10,{note},{velocity}")
            lines.append(f"{tick + 120},note_off,10,{note},0")
    return fenced("csv", "\n".join(lines))


def uuids() -> str:
    draw, lines = chance(44), []
    for number in range(1, 41):
        text = draw.randbytes(16).hex()
        lines.append(f"{number}. {text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}")
    return "\n".join(lines)


SEQUENCES = {
    "count-to-200": count_to_200,
    "count-in-words": count_in_words,
    "countdown": countdown,
    "counting-sheep": sheep,
    "fizz-buzz": fizz_buzz,
    "primes": primes,
    "collatz": collatz,
    "binary": binary,
    "squares": squares,
    "powers-of-two": powers,
    "roman-numerals": roman,
    "hex-dump": hex_dump,
    "base64-bitmap": base64_file,
    "base64-certificate": base64_key,
    "dna": dna,
    "chess-game": chess,
    "melody-notes": notes,
    "midi-drums": midi_events,
    "uuids": uuids,
}
