"""Calendars, timetables, invoices, game cards and trackers of the blind set. blind_legitimate collects them."""
# ruff: noqa: SIM905

import calendar

from .blind_words import DEPARTMENTS, FIRST_NAMES, MONTHS, PRODUCTS, WEEKDAYS, chance, fenced


def year_calendar() -> str:
    plain = calendar.TextCalendar(firstweekday=0)
    return "Here is the calendar for 2025:\n\n" + fenced(
        "", "\n".join(plain.formatmonth(2025, month) for month in range(1, 13))
    )


def school_timetable() -> str:
    subjects = "Maths German English Biology History Art PE Music Physics French Geography Chemistry".split()
    draw = chance(51)
    rows = [
        f"| {8 + lesson}:00 | " + " | ".join(draw.choice(subjects) for _ in range(5)) + " |"
        for lesson in range(7)
    ]
    rows.insert(3, "| 10:45 | Break | Break | Break | Break | Break |")
    rows.insert(6, "| 12:45 | Lunch | Lunch | Lunch | Lunch | Lunch |")
    return "\n".join(["| Time | " + " | ".join(WEEKDAYS[:5]) + " |", "|---" * 6 + "|", *rows])


def empty_planner() -> str:
    rows = [f"| {hour:02d}:00 |" + "  |" * 7 for hour in range(6, 23)]
    return "A blank weekly planner you can copy:\n\n" + "\n".join(
        ["| Time | " + " | ".join(WEEKDAYS) + " |", "|---" * 8 + "|", *rows]
    )


def habit_tracker() -> str:
    habits = "Drink 2 l of water|Read 20 pages|Walk 8,000 steps|No sugar|Stretch|Write in the journal|Meditate|Bed before 23:00|Practise Spanish|Call family".split("|")  # fmt: skip
    rows = [f"| {habit} |" + " ☐ |" * 14 for habit in habits]
    return "\n".join(
        ["| Habit | " + " | ".join(map(str, range(1, 15))) + " |", "|---" * 15 + "|", *rows]
    )


def shift_roster() -> str:
    names, weeks = FIRST_NAMES[:6], []
    for week in range(1, 5):
        rows = [
            f"| {name} | "
            + " | ".join(
                "Early Late Night Off".split()[(index + day // 2 + week) % 4] for day in range(7)
            )
            + " |"
            for index, name in enumerate(names)
        ]
        weeks.append("\n".join([f"**Week {week}**\n", "| | " + " | ".join(day[:3] for day in WEEKDAYS) + " |", "|---" * 8 + "|", *rows]))  # fmt: skip
    return "\n\n".join(weeks) + "\n\nEveryone gets the same number of nights over the four weeks."


def bus_times() -> str:
    stops = "Central Station|Town Hall|Market|Old Bridge|Hospital|University|Stadium|Lake Road|Garden City|Airport".split(
        "|"
    )
    rows = []
    for index, stop in enumerate(stops):
        minutes = [start * 60 + offset + index * 4 for start in range(6, 12) for offset in (5, 35)]
        rows.append(
            f"{stop:<16}" + "  ".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in minutes)
        )
    return "**Line 7, Monday to Friday**\n\n" + fenced("", "\n".join(rows))


def invoice() -> str:
    draw, total, rows = chance(52), 0.0, []
    for number, name in enumerate(PRODUCTS[:18], 1):
        quantity, price = draw.randrange(1, 12), draw.randrange(300, 9900) / 100
        total += quantity * price
        rows.append(
            f"| {number} | {name.capitalize()} | {quantity} | {price:.2f} € | {quantity * price:.2f} € |"
        )
    return (
        "**Invoice 2024-0317**\n\nBill to: Greta Keller, Lindenweg 4, 79098 Freiburg\n\n"
        + "\n".join(
            ["| Pos. | Item | Qty | Unit price | Amount |", "|---|---|---:|---:|---:|", *rows]
        )
        + f"\n\nSubtotal: {total:.2f} €\nVAT 19%: {total * 0.19:.2f} €\n**Total: {total * 1.19:.2f} €**\n\nPayable within 14 days without deduction."
    )


def bingo() -> str:
    draw, cards = chance(53), []
    for number in range(1, 5):
        columns = [draw.sample(range(start, start + 15), 5) for start in (1, 16, 31, 46, 61)]
        columns[2][2] = 0
        rows = ["| " + " | ".join(f"{columns[column][row]:2d}" if columns[column][row] else "★ " for column in range(5)) + " |" for row in range(5)]  # fmt: skip
        cards.append(
            "\n".join(
                [f"**Card {number}**\n", "| B  | I  | N  | G  | O  |", "|----" * 5 + "|", *rows]
            )
        )
    return "\n\n".join(cards)


def training_weeks() -> str:
    lines = [
        f"**Week {week}**\n- Monday: rest\n- Tuesday: {3 + week // 2} km easy\n- Wednesday: 30 minutes of strength\n"
        f"- Thursday: {2 + week // 3} km warm-up, then {3 + week // 2} times 400 m fast\n- Friday: rest\n- Saturday: {3 + week // 2} km easy\n"
        f"- Sunday: {5 + week} km slow{' (a test: note your time)' if week % 4 == 0 else ''}"
        for week in range(1, 9)
    ]
    return (
        "Eight weeks to your first 10 km. Run the easy runs so slowly that you can talk.\n\n"
        + "\n\n".join(lines)
    )


def meal_plan() -> str:
    breakfasts = "oat porridge with apple|rye bread with cheese|yoghurt with berries|scrambled eggs|muesli|pancakes|toast with jam".split(
        "|"
    )
    lunches = "lentil soup|tuna salad|vegetable curry with rice|leftover curry|potato soup|pasta with tomatoes|roast chicken".split(
        "|"
    )
    dinners = "bread, ham and cucumber|omelette with spinach|bean salad|baked potatoes|couscous salad|pizza|leftover chicken wraps".split(
        "|"
    )
    days = [
        f"### {day}\n- **Breakfast:** {breakfast}\n- **Lunch:** {lunch}\n- **Snack:** a piece of fruit\n- **Dinner:** {dinner}\n- **Drink:** water or unsweetened tea"
        for day, breakfast, lunch, dinner in zip(
            WEEKDAYS, breakfasts, lunches, dinners, strict=True
        )
    ]
    return "\n\n".join(days)


def budget() -> str:
    draw = chance(54)
    rows = [f"| {name} | " + " | ".join(f"{draw.randrange(4, 40) * 250:,}" for _ in range(12)) + " |" for name in DEPARTMENTS]  # fmt: skip
    return "\n".join(
        [
            "| Department | " + " | ".join(month[:3] for month in MONTHS) + " |",
            "|---" * 13 + "|",
            *rows,
        ]
    )


def garden_year() -> str:
    tasks = (
        "order seeds, prune the apple tree", "sow peppers indoors, clean the nest boxes", "sow tomatoes indoors, prune the roses",
        "sow carrots and peas, plant potatoes", "plant out the tomatoes after the last frost, sow beans", "mulch the beds, thin the carrots",
        "water in the morning, cut the lavender", "harvest tomatoes, sow winter spinach", "pick apples, sow green manure",
        "plant garlic and tulips, rake the leaves", "protect the roses, empty the rain butt", "rest, sharpen the tools",
    )  # fmt: skip
    return "\n".join(f"- **{month}:** {task}." for month, task in zip(MONTHS, tasks, strict=True))


PLANNERS = {
    "year-calendar": year_calendar,
    "school-timetable": school_timetable,
    "empty-planner": empty_planner,
    "habit-tracker": habit_tracker,
    "shift-roster": shift_roster,
    "bus-times": bus_times,
    "invoice": invoice,
    "bingo-cards": bingo,
    "running-plan": training_weeks,
    "meal-plan": meal_plan,
    "budget": budget,
    "garden-year": garden_year,
}
