"""Answers that are tables and records: every row has the same shape, and rows are what was asked for."""
# Lists of words read better as one text; no SQL is run.
# ruff: noqa: SIM905, S608

import json
from random import Random

FIRST = "Anna Ben Carla David Elif Farid Greta Hugo Ines Jonas Kaito Lena Marek Nadia Omar Priya Quinn Rosa Sven Tara".split()
LAST = "Adler Brown Costa Diaz Evans Fischer Garcia Haddad Ivanov Jensen Kowalski Lopez Meyer Novak Okafor Petrov".split()
CITIES = "Berlin Paris Rome Madrid Oslo Lisbon Vienna Prague Dublin Athens Warsaw Helsinki Zagreb Tallinn".split()
PARTS = "bolt washer hinge bracket spring gasket valve bearing pulley shaft clamp rivet nozzle filter sensor relay".split()


def people(random: Random, number: int) -> list[tuple[int, str, str, int, str, float]]:
    rows = []
    for i in range(1, number + 1):
        first, last = random.choice(FIRST), random.choice(LAST)
        amount = round(random.uniform(10, 9000), 2)
        rows.append((i, first, last, random.randint(18, 79), random.choice(CITIES), amount))
    return rows


def csv_people(random: Random) -> str:
    rows = [f"{i},{f} {s},{a},{c},{m:.2f}" for i, f, s, a, c, m in people(random, 200)]
    return "id,name,age,city,amount\n" + "\n".join(rows)


def csv_sensor(random: Random) -> str:
    rows = [
        f"2024-03-01T{i // 60:02}:{i % 60:02}:00Z,{20 + random.gauss(0, 0.8):.1f},{45 + random.gauss(0, 3):.0f}"
        for i in range(200)
    ]
    return "time,temperature_c,humidity\n" + "\n".join(rows)


def csv_flags(random: Random) -> str:
    rows = [
        f"{i},{random.choice(('yes', 'no'))},{random.choice(('A', 'B', 'C'))}"
        for i in range(1, 201)
    ]
    return "respondent,consent,group\n" + "\n".join(rows)


def csv_orders(random: Random) -> str:
    rows = [
        f"ORD-{1000 + i};{random.choice(PARTS)};{random.randint(1, 40)};{random.uniform(0.1, 60):.2f};EUR;shipped"
        for i in range(150)
    ]
    return "order;part;quantity;price;currency;status\n" + "\n".join(rows)


def json_people(random: Random) -> str:
    rows = [
        {"id": i, "first": f, "last": s, "age": a, "city": c, "active": random.random() < 0.8}
        for i, f, s, a, c, _ in people(random, 60)
    ]
    return json.dumps(rows, indent=2)


def json_template(random: Random) -> str:
    """A long object in which little changes from one to the next."""
    rows = [
        {
            "type": "Feature",
            "properties": {
                "name": f"Station {i}",
                "kind": "weather",
                "operational": True,
                "network": "north",
            },
            "geometry": {
                "type": "Point",
                "coordinates": [round(random.uniform(5, 15), 4), round(random.uniform(47, 55), 4)],
            },
        }
        for i in range(1, 31)
    ]
    return json.dumps({"type": "FeatureCollection", "features": rows}, indent=2)


def json_numbers(random: Random) -> str:
    return json.dumps([random.randint(0, 999) for _ in range(400)])


def json_zeros(_: Random) -> str:
    return json.dumps({"board": [[0] * 10 for _ in range(10)], "score": 0})


def sql_inserts(random: Random) -> str:
    return "\n".join(
        f"INSERT INTO customers (id, first_name, last_name, age, city) VALUES ({i}, '{f}', '{s}', {a}, '{c}');"
        for i, f, s, a, c, _ in people(random, 60)
    )


def sql_products(random: Random) -> str:
    rows = [
        f"    ({i}, '{random.choice(PARTS).title()} M{random.randint(2, 20)}', {random.uniform(1, 99):.2f}, {random.randint(0, 500)})"
        for i in range(1, 81)
    ]
    return "INSERT INTO products (id, name, price, stock) VALUES\n" + ",\n".join(rows) + ";"


def html_table(random: Random) -> str:
    rows = "\n".join(
        f"    <tr>\n      <td>{i}</td>\n      <td>{f} {s}</td>\n      <td>{c}</td>\n      <td>{a}</td>\n    </tr>"
        for i, f, s, a, c, _ in people(random, 40)
    )
    return f"<table>\n  <thead><tr><th>#</th><th>Name</th><th>City</th><th>Age</th></tr></thead>\n  <tbody>\n{rows}\n  </tbody>\n</table>"


def html_years(_: Random) -> str:
    options = "\n".join(
        f'    <option value="{year}">{year}</option>' for year in range(2024, 1949, -1)
    )
    return f'<label for="year">Year of birth</label>\n<select id="year" name="year">\n{options}\n</select>'


def html_empty_rows(_: Random) -> str:
    row = "    <tr><td></td><td></td><td></td><td></td><td></td><td></td><td></td></tr>"
    return (
        '<table class="calendar">\n  <tbody>\n' + "\n".join([row] * 12) + "\n  </tbody>\n</table>"
    )


def markdown_people(random: Random) -> str:
    rows = "\n".join(
        f"| {i} | {f} {s} | {a} | {c} | {m:.2f} |" for i, f, s, a, c, m in people(random, 60)
    )
    return f"| # | Name | Age | City | Balance |\n|---:|---|---:|---|---:|\n{rows}"


def markdown_empty(_: Random) -> str:
    days = "\n".join(f"| {hour:02}:00 |     |     |     |     |     |" for hour in range(7, 22))
    return f"Here is an empty timetable to fill in:\n\n| Time | Mon | Tue | Wed | Thu | Fri |\n|---|---|---|---|---|---|\n{days}"


def times_table(_: Random) -> str:
    return "\n".join(f"{i} x {j} = {i * j}" for i in range(1, 13) for j in range(1, 13))


def times_grid(_: Random) -> str:
    lines = ["| x | " + " | ".join(map(str, range(1, 13))) + " |", "|" + "---|" * 13]
    return "\n".join(
        lines
        + [f"| {i} | " + " | ".join(str(i * j) for j in range(1, 13)) + " |" for i in range(1, 13)]
    )


def celsius(_: Random) -> str:
    rows = "\n".join(f"| {c} °C | {c * 9 / 5 + 32:.1f} °F |" for c in range(0, 101, 2))
    return f"| Celsius | Fahrenheit |\n|---|---|\n{rows}"


def loan(_: Random) -> str:
    left, lines = 20000.0, ["Month  Payment  Interest  Principal   Balance"]
    for month in range(1, 61):
        interest = left * 0.05 / 12
        left -= 377.42 - interest
        lines.append(
            f"{month:5}  {377.42:7.2f}  {interest:8.2f}  {377.42 - interest:9.2f}  {max(left, 0):8.2f}"
        )
    return "\n".join(lines)


def truth_table(_: Random) -> str:
    rows = []
    for i in range(32):
        a, b, c, d, e = ((i >> k) & 1 for k in (4, 3, 2, 1, 0))
        rows.append(f"| {a} | {b} | {c} | {d} | {e} | {(a and b) or (c and d) or e} |")
    return "| A | B | C | D | E | out |\n|---|---|---|---|---|---|\n" + "\n".join(rows)


def matrix_identity(_: Random) -> str:
    return (
        "I = [\n"
        + "\n".join("  " + " ".join("1" if i == j else "0" for j in range(20)) for i in range(20))
        + "\n]"
    )


def matrix_latex(random: Random) -> str:
    rows = " \\\\\n".join(
        " & ".join(str(random.randint(-9, 9)) for _ in range(8)) for _ in range(12)
    )
    return "\\begin{pmatrix}\n" + rows + "\n\\end{pmatrix}"


def bus_timetable(_: Random) -> str:
    stops = ("Station", "Market", "Town Hall", "School", "Hospital", "Stadium", "University")
    return "\n".join(
        f"{stop:<12}" + " ".join(f"{hour:02}:{(7 * k + 10) % 60:02}" for hour in range(6, 22))
        for k, stop in enumerate(stops)
    )


TABLES = {
    made.__name__: made
    for made in (
        csv_people, csv_sensor, csv_flags, csv_orders, json_people, json_template, json_numbers, json_zeros, sql_inserts,
        sql_products, html_table, html_years, html_empty_rows, markdown_people,
        markdown_empty, times_table, times_grid, celsius, loan, truth_table, matrix_identity, matrix_latex, bus_timetable,
        )
}  # fmt: skip
