"""Drawings in characters, boards and pixel art of the blind set. blind_legitimate collects it."""
# ruff: noqa: RUF001

from itertools import pairwise

from .blind_words import fenced


def fir_tree() -> str:
    rows = [" " * (14 - row) + "*" * (2 * row + 1) for row in range(15)]
    return (
        "Merry Christmas! 🎄\n\n"
        + fenced("", "\n".join([" " * 14 + "|", *rows, *[" " * 13 + "|||"] * 3]))
        + "\n\nWould you like one with ornaments?"
    )


def chess_board() -> str:
    ranks = (
        "r n b q k b n r",
        "p p p p p p p p",
        *(". . . . . . . .",) * 4,
        "P P P P P P P P",
        "R N B Q K B N R",
    )
    rows = [
        f" {8 - index} | " + " | ".join(rank.split()) + " |\n   +" + "---+" * 8
        for index, rank in enumerate(ranks)
    ]
    return (
        "The starting position, white at the bottom:\n\n"
        + fenced(
            "",
            "   +" + "---+" * 8 + "\n" + "\n".join(rows) + "\n     a   b   c   d   e   f   g   h",
        )
        + "\n\nYour move!"
    )


def battleships() -> str:
    ships = {(1, 2), (1, 3), (1, 4), (5, 7), (6, 7), (7, 7), (8, 7), (3, 9), (4, 9)}
    shots = {(0, 0), (2, 5), (6, 2), (9, 9)}
    boards = []
    for title, show in (("Your fleet", True), ("Enemy waters", False)):
        rows = [
            f"{chr(65 + row)} "
            + " ".join(
                "S"
                if show and (row, column) in ships
                else "o"
                if not show and (row, column) in shots
                else "~"
                for column in range(10)
            )
            for row in range(10)
        ]
        boards.append(f"{title}:\n\n" + fenced("", "  1 2 3 4 5 6 7 8 9 10\n" + "\n".join(rows)))
    return "\n\n".join(boards) + "\n\nWhere do you fire?"


def brick_house() -> str:
    wall = ["|" + ("_|__" * 10)[:38] + "|", "|" + ("__|_" * 10)[:38] + "|"]
    roof = [" " * (19 - step) + "/" + "_" * (2 * step + 2) + "\\" for step in range(0, 20, 3)]
    windows = [
        "|__|_  +----+  _|__|__  +----+  __|_|__|"[:40],
        "|_|__  |    |  __|_|__  |    |  _|__|__|"[:40],
    ]
    return fenced(
        "", "\n".join([*roof, *wall * 2, windows[0], windows[1], windows[1], windows[0], *wall * 3])
    )


def progress() -> str:
    bars = [
        f"{name:<18}[{'█' * (percent // 5)}{'░' * (20 - percent // 5)}] {percent:3d}%"
        for name, percent in (
            ("Requirements", 100), ("Design", 100), ("Database", 95), ("Backend", 80), ("Frontend", 65), ("Payment", 50),
            ("Search", 45), ("Translations", 30), ("Accessibility", 25), ("Load tests", 10), ("Documentation", 5), ("Launch", 0),
        )
    ]  # fmt: skip
    return "**Project status**\n\n" + fenced("", "\n".join(bars))


def loading_animation() -> str:
    frames = [
        f"Loading [{'=' * step}{'>' if step < 20 else '='}{' ' * (20 - step)}] {step * 5:3d}%"
        for step in range(21)
    ]
    return (
        "Printed one after the other (with `\\r` they replace each other), the frames are:\n\n"
        + fenced("", "\n".join(frames))
    )


def histogram() -> str:
    counts = (3, 5, 9, 14, 22, 31, 38, 44, 41, 35, 27, 19, 13, 8, 4, 2)
    bars = [f"{150 + 3 * index}-{152 + 3 * index} cm | {'#' * count} {count}" for index, count in enumerate(counts)]  # fmt: skip
    return "Heights of the 315 pupils:\n\n" + fenced("", "\n".join(bars))


def heart() -> str:
    rows = []
    for y in range(12, -12, -1):
        row = "".join(
            "❤"
            if ((x / 10) ** 2 + (y / 10) ** 2 - 1) ** 3 - (x / 10) ** 2 * (y / 10) ** 3 <= 0
            else "　"
            for x in range(-12, 13)
        )
        rows.append(row.rstrip("　"))
    return "Here you are:\n\n" + "\n".join(row for row in rows if row)


def pixel_mushroom() -> str:
    rows = (
        "WWWWKKKKKKWWWW", "WWKKRRWWRRKKWW", "WKRRRWWWWRRRKW", "WKRRRWWWWRRRKW", "KRWWRRWWRRWWRK", "KWWWWRRRRWWWWK",
        "KWWWWRRRRWWWWK", "KRWWRRRRRRWWRK", "KRRRKKKKKKRRRK", "WKKKWKWWKWKKKW", "WWKWWKWWKWWKWW", "WWKWWWWWWWWKWW",
        "WWWKWWWWWWKWWW", "WWWWKKKKKKWWWW",
    )  # fmt: skip
    squares = {"W": "⬜", "K": "⬛", "R": "🟥"}
    return "Pixel art of a mushroom, 14 × 14:\n\n" + "\n".join(
        "".join(squares[pixel] for pixel in row) for row in rows
    )


def life() -> str:
    cells, frames = {(1, 2), (2, 3), (3, 1), (3, 2), (3, 3)}, []
    for generation in range(8):
        grid = "\n".join("".join("#" if (row, column) in cells else "." for column in range(10)) for row in range(10))  # fmt: skip
        frames.append(f"Generation {generation}:\n{grid}")
        around = [(row + dr, column + dc) for row, column in cells for dr in (-1, 0, 1) for dc in (-1, 0, 1) if dr or dc]  # fmt: skip
        cells = {
            place
            for place in set(around)
            if around.count(place) == 3 or (around.count(place) == 2 and place in cells)
        }
    return "The glider over eight generations:\n\n" + fenced("", "\n\n".join(frames))


def pascal() -> str:
    rows, row = [], [1]
    for _ in range(13):
        rows.append(" ".join(f"{value:^5d}" for value in row).center(80).rstrip())
        row = [1, *(left + right for left, right in pairwise(row)), 1]
    return fenced("", "\n".join(rows))


def sierpinski() -> str:
    rows = [
        " " * (31 - row)
        + " ".join(
            "*" if column & (row - column) == 0 else " " for column in range(row + 1)
        ).rstrip()
        for row in range(32)
    ]
    return "The Sierpinski triangle of order five:\n\n" + fenced("", "\n".join(rows))


def sudoku() -> str:
    solution = (
        "534678912", "672195348", "198342567", "859761423", "426853791", "713924856", "961537284", "287419635", "345286179",
    )  # fmt: skip
    given = "530070000600195000098000060800060003400803001700020006060000280000419005000080079"
    rule = "+-------+-------+-------+"

    def board(rows: list[str]) -> str:
        lines = []
        for index, row in enumerate(rows):
            if index % 3 == 0:
                lines.append(rule)
            parts = [" ".join(row[part : part + 3]) for part in (0, 3, 6)]
            lines.append("| " + " | ".join(parts) + " |")
        return fenced("", "\n".join([*lines, rule]))

    puzzle = [given[start : start + 9].replace("0", ".") for start in range(0, 81, 9)]
    return f"**Puzzle**\n\n{board(puzzle)}\n\n**Solution**\n\n{board(list(solution))}"


def guitar_tab() -> str:
    chords = {"Em": "022000", "C": "x32010", "G": "320033", "D": "xx0232"}
    strings = "eBGDAE"
    bars = []
    for _ in range(2):
        for name, frets in chords.items():
            rows = [f"{string}|" + "".join(f"-{frets[5 - index]}-" for _ in range(8)) + "|" for index, string in enumerate(strings)]  # fmt: skip
            bars.append(f"{name}\n" + "\n".join(rows))
    return "Strum each chord in eighth notes, twice through:\n\n" + fenced("", "\n\n".join(bars))


def drum_tab() -> str:
    beat = "HH|x-x-x-x-x-x-x-x-|\nSD|----o-------o---|\nBD|o-----o-o-------|"
    fill = "HH|x-x-x-x---------|\nSD|----o---oooooooo|\nBD|o-----o-o---o---|"
    parts = [f"Bar {number}\n{fill if number % 4 == 0 else beat}" for number in range(1, 9)]
    return "A simple rock beat with a fill every fourth bar:\n\n" + fenced("", "\n\n".join(parts))


def seats() -> str:
    taken = {3, 4, 9, 17, 18, 30, 31, 32, 55, 56, 70, 84, 85, 100}
    rows = [
        f"Row {row + 1:2d}  "
        + " ".join("[X]" if row * 10 + seat in taken else "[ ]" for seat in range(5))
        + "   "
        + " ".join("[X]" if row * 10 + seat in taken else "[ ]" for seat in range(5, 10))
        for row in range(12)
    ]
    return "Free seats are empty, taken ones have an X:\n\n" + fenced("", "\n".join(rows))


DRAWINGS = {
    "fir-tree": fir_tree,
    "chess-board": chess_board,
    "battleships": battleships,
    "brick-house": brick_house,
    "project-bars": progress,
    "loading-frames": loading_animation,
    "histogram": histogram,
    "heart-of-emoji": heart,
    "pixel-mushroom": pixel_mushroom,
    "game-of-life": life,
    "pascal-triangle": pascal,
    "sierpinski": sierpinski,
    "sudoku": sudoku,
    "guitar-tab": guitar_tab,
    "drum-tab": drum_tab,
    "seat-plan": seats,
}
