"""Manifests, data files and markup of the blind set: YAML, JSON, SQL, HTML, SVG, calendars, subtitles. blind_legitimate collects it."""
# ruff: noqa: S608, SIM905 - SQL nobody runs; long lists read better as text

import json

from .blind_words import CITIES, FIRST_NAMES, LAST_NAMES, PRODUCTS, chance, fenced

STATES = (
    "Alabama AL Alaska AK Arizona AZ Arkansas AR California CA Colorado CO Connecticut CT Delaware DE Florida FL Georgia GA "
    "Hawaii HI Idaho ID Illinois IL Indiana IN Iowa IA Kansas KS Kentucky KY Louisiana LA Maine ME Maryland MD "
    "Massachusetts MA Michigan MI Minnesota MN Mississippi MS Missouri MO Montana MT Nebraska NE Nevada NV Ohio OH "
    "Oklahoma OK Oregon OR Pennsylvania PA Tennessee TN Texas TX Utah UT Vermont VT Virginia VA Washington WA Wisconsin WI "
    "Wyoming WY"
).split()


def html_select() -> str:
    pairs = zip(STATES[::2], STATES[1::2], strict=True)
    options = "\n".join(f'  <option value="{code}">{name}</option>' for name, code in pairs)
    return (
        "Here is a `<select>` with the one-word states; add the two-word ones the same way:\n\n"
        + fenced(
            "html", f'<label for="state">State</label>\n<select id="state" name="state">\n{options}\n</select>'
        )
    )  # fmt: skip


def html_list() -> str:
    items = "\n".join(
        f'  <li class="product"><a href="/shop/{name.replace(" ", "-").lower()}">{name.capitalize()}</a> <span class="price">{price}.90 €</span></li>'
        for name, price in zip(PRODUCTS, chance(3).choices(range(6, 140), k=30), strict=True)
    )
    return fenced("html", f'<ul class="products">\n{items}\n</ul>')


def sql_inserts() -> str:
    draw = chance(11)
    rows = [
        f"INSERT INTO employees (id, first_name, last_name, city, salary) VALUES ({number}, '{draw.choice(FIRST_NAMES)}', "
        f"'{draw.choice(LAST_NAMES)}', '{draw.choice(CITIES)}', {draw.randrange(32, 98) * 1000});"
        for number in range(1, 51)
    ]
    return "Fifty rows of test data:\n\n" + fenced("sql", "\n".join(rows))


def json_array() -> str:
    draw = chance(12)
    people = [
        {
            "id": number,
            "name": f"{draw.choice(FIRST_NAMES)} {draw.choice(LAST_NAMES)}",
            "age": draw.randrange(18, 75),
            "city": draw.choice(CITIES),
            "active": draw.random() < 0.7,
        }
        for number in range(1, 31)
    ]
    return fenced("json", json.dumps(people, indent=2))


def json_grid() -> str:
    rows = [
        [1 if row in (0, 11) or column in (0, 15) else 0 for column in range(16)]
        for row in range(12)
    ]
    for row, column in ((3, 4), (3, 5), (4, 4), (7, 9), (7, 10), (7, 11), (8, 11), (9, 3)):
        rows[row][column] = 2
    body = ",\n".join("    [" + ", ".join(map(str, row)) + "]" for row in rows)
    return (
        "A 16 by 12 tile map: 0 is floor, 1 is wall, 2 is water.\n\n"
        + fenced("json", f'{{\n  "width": 16,\n  "height": 12,\n  "tiles": [\n{body}\n  ]\n}}')
    )  # fmt: skip


def translations_json() -> str:
    keys = {
        "save": ("Save", "Speichern", "Enregistrer"), "cancel": ("Cancel", "Abbrechen", "Annuler"),
        "delete": ("Delete", "Löschen", "Supprimer"), "edit": ("Edit", "Bearbeiten", "Modifier"),
        "search": ("Search", "Suchen", "Rechercher"), "close": ("Close", "Schließen", "Fermer"),
        "back": ("Back", "Zurück", "Retour"), "next": ("Next", "Weiter", "Suivant"),
        "login": ("Log in", "Anmelden", "Se connecter"), "logout": ("Log out", "Abmelden", "Se déconnecter"),
        "settings": ("Settings", "Einstellungen", "Paramètres"), "help": ("Help", "Hilfe", "Aide"),
        "yes": ("Yes", "Ja", "Oui"), "no": ("No", "Nein", "Non"), "loading": ("Loading…", "Lädt…", "Chargement…"),
        "error": ("Something went wrong", "Etwas ist schiefgelaufen", "Une erreur est survenue"),
    }  # fmt: skip
    files = [
        f"**{language}.json**\n\n"
        + fenced(
            "json",
            json.dumps(
                {f"button.{key}": words[index] for key, words in keys.items()},
                ensure_ascii=False,
                indent=2,
            ),
        )
        for index, language in enumerate(("en", "de", "fr"))
    ]
    return "\n\n".join(files)


def compose_workers() -> str:
    queues = (
        "mail invoices exports thumbnails webhooks search reports billing cleanup audit".split()
    )
    services = "\n".join(
        f"  worker-{queue}:\n    image: registry.example.com/shop/worker:2.14\n    command: celery -A shop worker -Q {queue} -c {2 + index % 3}\n"
        f"    environment:\n      BROKER_URL: redis://redis:6379/{index}\n      LOG_LEVEL: info\n    depends_on:\n      - redis\n      - postgres\n    restart: unless-stopped"
        for index, queue in enumerate(queues)
    )
    return fenced(
        "yaml",
        f"services:\n  redis:\n    image: redis:7\n  postgres:\n    image: postgres:16\n{services}",
    )


def kubernetes() -> str:
    parts = []
    for name, port, replicas, memory in (
        ("gateway", 8080, 3, "256Mi"), ("catalog", 8081, 2, "512Mi"), ("basket", 8082, 2, "256Mi"),
        ("payment", 8083, 3, "512Mi"), ("shipping", 8084, 1, "256Mi"),
    ):  # fmt: skip
        parts.append(
            f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  labels:\n    app: {name}\nspec:\n  replicas: {replicas}\n"
            f"  selector:\n    matchLabels:\n      app: {name}\n  template:\n    metadata:\n      labels:\n        app: {name}\n    spec:\n"
            f"      containers:\n        - name: {name}\n          image: registry.example.com/{name}:1.4.2\n          ports:\n            - containerPort: {port}\n"
            f"          resources:\n            limits:\n              memory: {memory}\n---\n"
            f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  selector:\n    app: {name}\n  ports:\n    - port: 80\n      targetPort: {port}"
        )
    return fenced("yaml", "\n---\n".join(parts))


def svg_bars() -> str:
    heights = (42, 55, 61, 48, 73, 90, 112, 108, 84, 66, 51, 39)
    bars = "\n".join(
        f'  <rect x="{20 + index * 30}" y="{130 - height}" width="22" height="{height}" fill="#4a7bd0" />\n'
        f'  <text x="{31 + index * 30}" y="145" text-anchor="middle" font-size="9">{index + 1}</text>'
        for index, height in enumerate(heights)
    )
    return fenced(
        "svg",
        f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="160" viewBox="0 0 400 160">\n{bars}\n</svg>',
    )


def gcode() -> str:
    lines = [
        "G21 ; millimetres",
        "G90 ; absolute positions",
        "M104 S205",
        "G28",
        "G1 Z0.2 F1200",
    ]
    extruded = 0.0
    for row in range(40):
        extruded += 1.33
        x = 80 if row % 2 == 0 else 40
        lines.append(f"G1 X{x:.2f} Y{40 + row * 0.4:.2f} E{extruded:.3f} F1500")
        lines.append(f"G1 X{x:.2f} Y{40 + (row + 1) * 0.4:.2f} F6000")
    return "One solid layer, drawn line by line:\n\n" + fenced(
        "gcode", "\n".join([*lines, "M104 S0", "M84"])
    )


def icalendar() -> str:
    subjects = "Team meeting|Dentist|Piano lesson|Call with the bank|Parents' evening|Car inspection|Book club|Yoga|Lunch with Rosa|Sprint review".split("|")  # fmt: skip
    events = "\n".join(
        f"BEGIN:VEVENT\nUID:{1000 + index}@example.com\nDTSTAMP:20240301T080000Z\nDTSTART:202403{4 + index * 2:02d}T{9 + index % 8:02d}0000Z\n"
        f"DTEND:202403{4 + index * 2:02d}T{10 + index % 8:02d}0000Z\nSUMMARY:{subject}\nEND:VEVENT"
        for index, subject in enumerate(subjects)
    )
    return fenced(
        "", f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example//EN\n{events}\nEND:VCALENDAR"
    )


def subtitles() -> str:
    lines = (
        "Hello?|Hello? Is anybody there?|Who is it?|It's me.|Who is me?|It's me, Martin.|Martin?|Yes, Martin.|Which Martin?|"
        "How many Martins do you know?|Three.|Three?|Three, counting you.|Well, it's the one with the dog.|Which dog?|"
        "The brown dog.|They all have brown dogs.|All of them?|All of them.|Just open the door.|No.|No?|No.|Please?|"
        "Say it nicely.|Pretty please.|Wait there.|Thank you.|Don't thank me yet.|Why not?"
    ).split("|")
    blocks = [
        f"{index}\n00:{index * 3 // 60:02d}:{index * 3 % 60:02d},{index * 137 % 1000:03d} --> 00:{(index * 3 + 2) // 60:02d}:{(index * 3 + 2) % 60:02d},{index * 211 % 1000:03d}\n{line}"
        for index, line in enumerate(lines, 1)
    ]
    return "\n\n".join(blocks)


FILES = {
    "html-select": html_select,
    "html-list": html_list,
    "sql-inserts": sql_inserts,
    "json-array": json_array,
    "json-tile-map": json_grid,
    "json-translations": translations_json,
    "compose-workers": compose_workers,
    "kubernetes-manifests": kubernetes,
    "svg-bars": svg_bars,
    "g-code": gcode,
    "icalendar": icalendar,
    "subtitles": subtitles,
}
