"""Names, places and goods that the legitimate texts of the blind set draw their rows from. The blind_legitimate modules read it."""
# ruff: noqa: SIM905

import random
from collections.abc import Callable, Mapping

# A kind's answers by name, each written out or made by a function.
Answers = Mapping[str, str | Callable[[], str]]

FIRST_NAMES = (
    "Amelia Noah Priya Lukas Fatima Mateo Ingrid Kwame Sofia Hiroshi Elena Tariq Chloe Bogdan Aisha Viktor Mei "
    "Duncan Paloma Anders Zainab Felix Yara Oscar Leila Henrik Rosa Samir Greta Tomas Nadia Emeka Clara Ravi "
    "Astrid Jonas Carmen Idris Wanda Paul"
).split()
LAST_NAMES = (
    "Okafor Lindqvist Moreau Tanaka Novak Fernandez Schmidt Haddad Kowalski Murphy Rossi Iyer Nguyen Petrov "
    "Alvarez Berg Castillo Dubois Eriksen Fischer Grant Horvat Ibrahim Jansen Keller Lopez Mbeki Nakamura Olsen "
    "Park Quinn Romano Sato Tremblay"
).split()
CITIES = (
    "Lisbon Oslo Nairobi Kyoto Toronto Lima Warsaw Dublin Jakarta Porto Athens Seville Tallinn Cairo Denver Bergen "
    "Lyon Osaka Bristol Prague Quito Utrecht Zagreb Graz Malmo Leeds Turin Ghent Boston Adelaide"
).split()
PRODUCTS = (
    "desk lamp|oak chair|steel kettle|wool blanket|garden hose|bike pump|paper tray|wall clock|bread knife|"
    "door mat|yoga mat|tea set|phone stand|sleeping bag|water bottle|head torch|bean bag|cork board|floor fan|"
    "picture frame|shoe rack|spice jar|travel mug|USB hub|window blind|laundry basket|cutting board|bath towel|"
    "tool box|rain coat"
).split("|")
DEPARTMENTS = "Sales Finance Legal Support Research Design Logistics Marketing".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
    "January February March April May June July August September October November December"
).split()
UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def chance(seed: int) -> random.Random:
    """The same draws on every run."""
    return random.Random(seed)  # noqa: S311 - test data, nothing secret


def in_words(number: int) -> str:
    """0 to 199 in English words."""
    if number < 20:
        return UNITS[number]
    if number < 100:
        tens, unit = divmod(number, 10)
        return TENS[tens] + (f"-{UNITS[unit]}" if unit else "")
    rest = number - 100
    return "one hundred" + (f" and {in_words(rest)}" if rest else "")


def fenced(language: str, body: str) -> str:
    """A code block as chat models write it."""
    lines = body.strip("\n")
    return f"```{language}\n{lines}\n```"
