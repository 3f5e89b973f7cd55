"""Answers that are drawings and games in plain text: much of a drawing is the same sign."""

from itertools import product
from random import Random


def graph_edges(random: Random) -> str:
    edges = "\n".join(f"  n{random.randint(1, 30)} -> n{random.randint(1, 30)};" for _ in range(90))
    return "digraph G {\n  rankdir=LR;\n" + edges + "\n}"


def svg_grid(_: Random) -> str:
    cells = "\n".join(
        f'  <rect x="{40 * x}" y="{40 * y}" width="40" height="40" fill="{"#eee" if (x + y) % 2 else "#333"}"/>'
        for y in range(8) for x in range(8)
    )  # fmt: skip
    return f'<svg width="320" height="320">\n{cells}\n</svg>'


def svg_stars(random: Random) -> str:
    stars = "\n".join(
        f'  <circle cx="{random.randint(0, 800)}" cy="{random.randint(0, 600)}" r="{random.choice((1, 1, 2))}" fill="white"/>'
        for _ in range(60)
    )
    return f'<svg width="800" height="600" style="background:#001">\n{stars}\n</svg>'


def chess_game(random: Random) -> str:
    pieces, files = ("", "N", "B", "R", "Q", "K"), "abcdefgh"

    def half_move() -> str:
        return f"{random.choice(pieces)}{random.choice(('', '', 'x'))}{random.choice(files)}{random.randint(1, 8)}"

    return " ".join(f"{i}. {half_move()} {half_move()}" for i in range(1, 81))


def chess_board(_: Random) -> str:
    line = "  +---+---+---+---+---+---+---+---+"
    ranks = ["rnbqkbnr", "pppppppp", *["        "] * 4, "PPPPPPPP", "RNBQKBNR"]
    rows = [f"{8 - i} | " + " | ".join(rank) + " |" for i, rank in enumerate(ranks)]
    return line + "\n" + f"\n{line}\n".join(rows) + f"\n{line}\n    a   b   c   d   e   f   g   h"


def game_of_life(_: Random) -> str:
    live, frames = {(1, 2), (2, 3), (3, 1), (3, 2), (3, 3)}, []
    for generation in range(8):
        grid = "\n".join(
            "".join("#" if (r, c) in live else "." for c in range(12)) for r in range(10)
        )
        frames.append(f"Generation {generation}\n{grid}")
        near: dict[tuple[int, int], int] = {}
        for r, c in live:
            for i, j in product((-1, 0, 1), repeat=2):
                if i or j:
                    near[(r + i, c + j)] = near.get((r + i, c + j), 0) + 1
        live = {cell for cell, n in near.items() if n == 3 or (n == 2 and cell in live)}
    return "\n\n".join(frames)


def tic_tac_toe(random: Random) -> str:
    cells, boards = [" "] * 9, []
    for turn, cell in enumerate(random.sample(range(9), 9)):
        cells[cell] = "XO"[turn % 2]
        rows = "\n---+---+---\n".join(f" {' | '.join(cells[3 * r : 3 * r + 3])} " for r in range(3))
        boards.append(f"Move {turn + 1}:\n\n{rows}")
    return "\n\n".join(boards)


def maze(random: Random) -> str:
    return "\n".join(
        "#" * 41
        if r % 2 == 0 and random.random() < 0.2
        else "".join(random.choice("#   ") for _ in range(41))
        for r in range(21)
    )


def histogram(random: Random) -> str:
    return "\n".join(
        f"{i:>3}-{i + 9:<3} | " + "#" * random.randint(1, 60) for i in range(0, 200, 10)
    )


def christmas_tree(_: Random) -> str:
    return (
        "\n".join(" " * (20 - i) + "*" * (2 * i + 1) for i in range(20))
        + "\n"
        + ("\n".join([" " * 19 + "|||"] * 3))
    )


def box_drawing(_: Random) -> str:
    inner = "\n".join("|" + " " * 58 + "|" for _ in range(14))
    return "+" + "-" * 58 + "+\n" + inner + "\n+" + "-" * 58 + "+"


def guitar_tab(random: Random) -> str:
    def bar() -> str:
        return "".join(random.choice(("-", "-", "-", "0", "2", "3")) for _ in range(16))

    return "\n\n".join("\n".join(f"{name}|{bar()}|{bar()}|" for name in "eBGDAE") for _ in range(6))


def drum_tab(_: Random) -> str:
    bar = "HH|x-x-x-x-x-x-x-x-|\nSD|----o-------o---|\nBD|o-------o-------|"
    fill = "HH|x-x-x-x---------|\nSD|----o---oooooooo|\nBD|o-------o-------|"
    return "Verse (8 bars):\n\n" + "\n\n".join([bar] * 7 + [fill])


def morse(random: Random) -> str:
    return " / ".join(
        " ".join(
            "".join(random.choices(".-", k=random.randint(1, 4)))
            for _ in range(random.randint(2, 8))
        )
        for _ in range(30)
    )


DRAWINGS = {
    made.__name__: made
    for made in (svg_grid, svg_stars, chess_game, chess_board, game_of_life, tic_tac_toe, maze, histogram, christmas_tree, box_drawing, guitar_tab, drum_tab, morse, graph_edges,)
}  # fmt: skip
