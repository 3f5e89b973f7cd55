"""Tables of the blind set: Markdown, CSV, LaTeX, conversions, conjugations. blind_legitimate collects it."""
# ruff: noqa: RUF001, SIM905

from itertools import product

from .blind_words import CITIES, DEPARTMENTS, FIRST_NAMES, LAST_NAMES, MONTHS, PRODUCTS, chance

EUROPE = (
    "Albania|Tirana|2.8|lek, Austria|Vienna|9.1|euro, Belgium|Brussels|11.7|euro, Bulgaria|Sofia|6.4|lev, Croatia|Zagreb|3.9|euro, "
    "Cyprus|Nicosia|0.9|euro, Czechia|Prague|10.9|koruna, Denmark|Copenhagen|5.9|krone, Estonia|Tallinn|1.4|euro, "
    "Finland|Helsinki|5.6|euro, France|Paris|68.2|euro, Germany|Berlin|84.4|euro, Greece|Athens|10.4|euro, Hungary|Budapest|9.6|forint, "
    "Iceland|Reykjavik|0.4|krona, Ireland|Dublin|5.3|euro, Italy|Rome|58.9|euro, Latvia|Riga|1.9|euro, Lithuania|Vilnius|2.9|euro, "
    "Luxembourg|Luxembourg|0.7|euro, Malta|Valletta|0.5|euro, Netherlands|Amsterdam|17.8|euro, Norway|Oslo|5.5|krone, "
    "Poland|Warsaw|36.7|zloty, Portugal|Lisbon|10.5|euro, Romania|Bucharest|19.1|leu, Slovakia|Bratislava|5.4|euro, "
    "Slovenia|Ljubljana|2.1|euro, Spain|Madrid|48.1|euro, Sweden|Stockholm|10.5|krona, Switzerland|Bern|8.8|franc"
)


def _markdown(header: str, rows: list[str]) -> str:
    rule = "|" + "---|" * (header.count("|") - 1)
    return "\n".join([header, rule, *rows])


def countries() -> str:
    rows = [f"| {' | '.join(row.strip().split('|'))} |" for row in EUROPE.split(",")]
    return (
        "Here are the countries with capital, population and currency:\n\n"
        + _markdown("| Country | Capital | Population (millions) | Currency |", rows)
        + "\n\nPopulation figures are rounded and from different years."
    )


def staff_csv() -> str:
    draw = chance(31)
    rows = [
        f"{number},{draw.choice(FIRST_NAMES)},{draw.choice(LAST_NAMES)},{draw.choice(DEPARTMENTS)},{draw.choice(CITIES)},"
        f"{draw.randrange(2008, 2024)},{draw.randrange(280, 960) * 100}"
        for number in range(1, 201)
    ]
    return "\n".join(["id,first_name,last_name,department,city,since,salary", *rows])


def sensor_csv() -> str:
    draw = chance(32)
    temperature, rows = 19.4, ["timestamp,sensor,temperature_c,humidity_pct,battery_v,status"]
    for minute in range(0, 600, 5):
        temperature += draw.choice((-0.1, 0, 0, 0.1, 0.1))
        rows.append(
            f"2024-05-02T{6 + minute // 60:02d}:{minute % 60:02d}:00Z,greenhouse-2,{temperature:.1f},{61 + draw.randrange(4)},3.{7 if minute < 300 else 6},ok"
        )
    return "```csv\n" + "\n".join(rows) + "\n```"


def multiplication_grid() -> str:
    rows = [
        f"| **{row}** | " + " | ".join(str(row * column) for column in range(1, 13)) + " |"
        for row in range(1, 13)
    ]
    return _markdown("| × | " + " | ".join(map(str, range(1, 13))) + " |", rows)


def multiplication_lines() -> str:
    blocks = [
        f"### The {number} times table\n\n"
        + "\n".join(f"{number} × {factor} = {number * factor}" for factor in range(1, 11))
        for number in range(2, 10)
    ]
    return "Of course! Here are the tables from 2 to 9:\n\n" + "\n\n".join(blocks)


def truth_table() -> str:
    rows = [
        f"| {' | '.join('T' if value else 'F' for value in values)} | {'T' if (values[0] and values[1]) or (not values[2] and values[3]) else 'F'} |"
        for values in product((True, False), repeat=4)
    ]
    return _markdown("| A | B | C | D | (A ∧ B) ∨ (¬C ∧ D) |", rows)


def latex_results() -> str:
    draw = chance(33)
    rows = [
        f"    {name} & {draw.uniform(68, 79):.1f} & {draw.uniform(70, 84):.1f} & {draw.uniform(55, 72):.1f} & {draw.uniform(60, 77):.1f} & {draw.uniform(1.1, 9.8):.1f} \\\\"
        for name in "Bag of words|TF-IDF|fastText|CNN|BiLSTM|BiLSTM + attention|ELMo|BERT-base|BERT-large|RoBERTa|DeBERTa|Ours (small)|Ours (base)|Ours (large)".split(
            "|"
        )
    ]
    return (
        "```latex\n\\begin{table}[t]\n  \\centering\n  \\begin{tabular}{lrrrrr}\n    \\toprule\n"
        "    Model & Dev acc. & Test acc. & Dev F1 & Test F1 & Hours \\\\\n    \\midrule\n"
        + "\n".join(rows)
        + "\n    \\bottomrule\n  \\end{tabular}\n  \\caption{Results on the four splits.}\n  \\label{tab:results}\n\\end{table}\n```"
    )


def latex_identity() -> str:
    rows = " \\\\\n".join(
        " & ".join("1" if row == column else "0" for column in range(10)) for row in range(10)
    )
    return (
        "The $10 \\times 10$ identity matrix is\n\n$$\nI_{10} = \\begin{pmatrix}\n"
        + rows
        + "\n\\end{pmatrix}\n$$\n\nand $A I_{10} = I_{10} A = A$ for every $10 \\times 10$ matrix $A$."
    )


def temperatures() -> str:
    rows = [
        f"| {celsius} °C | {celsius * 9 / 5 + 32:.1f} °F | {celsius + 273.15:.2f} K |"
        for celsius in range(-40, 105, 5)
    ]
    return _markdown("| Celsius | Fahrenheit | Kelvin |", rows)


def conversions() -> str:
    groups = (
        ("inches", "centimetres", 2.54), ("feet", "metres", 0.3048), ("miles", "kilometres", 1.609344),
        ("pounds", "kilograms", 0.45359237), ("US gallons", "litres", 3.785411784),
    )  # fmt: skip
    blocks = [
        f"**{source.capitalize()} to {target}**\n\n"
        + "\n".join(
            f"- {amount} {source} = {amount * factor:.2f} {target}"
            for amount in (2, 3, 5, 10, 15, 20, 25, 50, 75, 100)
        )
        for source, target, factor in groups
    ]
    return "\n\n".join(blocks)


def german_verbs() -> str:
    blocks = []
    for verb, stem in (("spielen", "spiel"), ("lernen", "lern"), ("kaufen", "kauf"), ("wohnen", "wohn"), ("machen", "mach")):  # fmt: skip
        rows = [
            f"| {person} | {stem}{now} | {stem}{then} | {auxiliary} ge{stem}t |"
            for person, now, then, auxiliary in (
                ("ich", "e", "te", "habe"), ("du", "st", "test", "hast"), ("er/sie/es", "t", "te", "hat"),
                ("wir", "en", "ten", "haben"), ("ihr", "t", "tet", "habt"), ("sie/Sie", "en", "ten", "haben"),
            )
        ]  # fmt: skip
        blocks.append(
            f"**{verb}**\n\n" + _markdown("| Person | Präsens | Präteritum | Perfekt |", rows)
        )
    return "\n\n".join(blocks)


def ascii_codes() -> str:
    rows = [f"| {code} | 0x{code:02X} | {code:08b} | `{chr(code)}` |" for code in range(65, 123)]
    return _markdown("| Decimal | Hex | Binary | Character |", rows)


def league() -> str:
    draw, teams = chance(34), []
    for place, city in enumerate(CITIES[:18]):
        won = 21 - place + draw.randrange(3)
        drawn = draw.randrange(4, 9)
        teams.append((won * 3 + drawn, won, drawn, 34 - won - drawn, city))
    rows = [
        f"{place:>2}  {city:<10} 34  {won:>2}  {drawn:>2}  {lost:>2}  {won * 2 + drawn + 9:>3}:{lost * 2 + drawn + 6:<3} {points:>3}"
        for place, (points, won, drawn, lost, city) in enumerate(sorted(teams, reverse=True), 1)
    ]
    return "```\n    Team        P   W   D   L    Goals  Pts\n" + "\n".join(rows) + "\n```"


def mortgage() -> str:
    balance, rate, payment, rows = 12000.0, 0.06 / 12, 365.06, []
    for month in range(1, 37):
        interest = balance * rate
        principal = min(payment - interest, balance)
        balance -= principal
        rows.append(
            f"| {month} | {principal + interest:.2f} | {interest:.2f} | {principal:.2f} | {max(balance, 0):.2f} |"
        )
    return (
        "For €12,000 at 6% over three years the monthly payment is about €365.06:\n\n"
        + _markdown("| Month | Payment | Interest | Principal | Balance |", rows)
    )


def sales() -> str:
    draw = chance(35)
    rows = [
        f"| {name.capitalize()} | "
        + " | ".join(str(draw.randrange(0, 60)) for _ in MONTHS[:6])
        + " |"
        for name in PRODUCTS
    ]
    return _markdown("| Product | " + " | ".join(month[:3] for month in MONTHS[:6]) + " |", rows)


TABLES = {
    "countries": countries,
    "csv-staff-200-rows": staff_csv,
    "csv-sensor": sensor_csv,
    "multiplication-grid": multiplication_grid,
    "multiplication-lines": multiplication_lines,
    "truth-table": truth_table,
    "latex-results": latex_results,
    "latex-identity-matrix": latex_identity,
    "temperatures": temperatures,
    "unit-conversions": conversions,
    "german-verbs": german_verbs,
    "ascii-codes": ascii_codes,
    "league-table": league,
    "loan-plan": mortgage,
    "sales-table": sales,
}
