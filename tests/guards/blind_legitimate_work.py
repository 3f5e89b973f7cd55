"""What offices ask for, in the blind set: requirements, user stories, test cases, minutes, letters. blind_legitimate collects it."""
# ruff: noqa: SIM905

from .blind_words import Answers

MINUTES = """**Minutes of the residents' meeting, 12 March**

1. **Lift.** Mr. Okafor reported that the lift had stopped three times in February. It was decided to ask for a new offer. *Responsible: Mr. Okafor. Due: 1 April.*
2. **Roof.** Ms. Berg reported that the roof leaks above flat 14. It was decided to ask for three offers. *Responsible: Ms. Berg. Due: 15 April.*
3. **Bicycles.** Mr. Sato reported that the cellar is full. It was decided to remove bicycles without a name. *Responsible: Mr. Sato. Due: 1 May.*
4. **Heating.** Ms. Rossi reported that the heating failed twice. It was decided to have it inspected. *Responsible: Ms. Rossi. Due: 1 September.*
5. **Garden.** Ms. Olsen reported that the hedge is dead. It was decided to plant a new one. *Responsible: Ms. Olsen. Due: 30 April.*
6. **Noise.** Mr. Park reported that there is noise after 22:00. It was decided to put up the house rules again. *Responsible: Mr. Park. Due: 20 March.*
7. **Stairs.** Ms. Quinn reported that the light on the third floor is broken. It was decided to replace it. *Responsible: Ms. Quinn. Due: 15 March.*

The next meeting is on 11 June at 19:00."""

CHANGELOG = """# Changelog

## 2.4.1 - 2024-02-20
### Fixed
- Fixed a crash when the export folder does not exist.
- Fixed a crash when the license file is empty.

## 2.4.0 - 2024-02-06
### Added
- Added export to PDF.
- Added export to EPUB.
### Fixed
- Fixed wrong page numbers in the table of contents.

## 2.3.2 - 2024-01-15
### Fixed
- Fixed a crash when a font is missing.
- Fixed a crash when two windows are closed at once.

## 2.3.1 - 2023-12-19
### Fixed
- Fixed slow start on Windows.
- Fixed wrong colours in dark mode.

## 2.3.0 - 2023-12-04
### Added
- Added dark mode.
- Added Portuguese and Czech.
### Changed
- Changed the default font to Inter.
### Removed
- Removed support for macOS 10.

## 2.2.0 - 2023-10-30
### Added
- Added spell checking.
- Added Swedish.
### Fixed
- Fixed undo after find and replace.

## 2.1.0 - 2023-09-11
### Added
- Added find and replace.
- Added word count.
### Fixed
- Fixed a crash when a very long line is pasted."""

CONTRACT = """**§ 4 Obligations of the Tenant**

(1) The Tenant shall treat the Premises with care.
(2) The Tenant shall air the Premises daily.
(3) The Tenant shall report damage to the Landlord without delay.
(4) The Tenant shall not alter the Premises without the written consent of the Landlord.
(5) The Tenant shall not sublet the Premises without the written consent of the Landlord.
(6) The Tenant shall not keep animals, except small animals, without the written consent of the Landlord.
(7) The Tenant shall not install antennas without the written consent of the Landlord.
(8) The Tenant shall allow the Landlord to enter the Premises after notice of at least 24 hours.

**§ 5 Obligations of the Landlord**

(1) The Landlord shall keep the Premises in good repair.
(2) The Landlord shall keep the stairs lit and clean.
(3) The Landlord shall heat the Premises to at least 20 °C from 1 October to 30 April.
(4) The Landlord shall not enter the Premises without notice, except in an emergency.
(5) The Landlord shall not refuse consent under § 4 (4) to (7) without good reason.
(6) The Landlord shall return the deposit within six months of the end of the tenancy.

**§ 6 Termination**

(1) The Tenant may terminate this agreement with a notice period of three months.
(2) The Landlord may terminate this agreement with a notice period of three months in the first five years, six months after five years, and nine months after eight years.
(3) Notice of termination shall be given in writing."""


def requirements() -> str:
    groups = {
        "Accounts": "let a user register with an e-mail address|send a confirmation link after registration|let a user change the password|let a user delete the account|lock an account after five failed attempts|log out a user after 30 minutes without activity",
        "Search": "find products by name|find products by number|find products by category|show results within one second|sort results by price|sort results by rating|remember the last ten searches of a user",
        "Basket": "let a user add a product to the basket|let a user remove a product from the basket|let a user change the quantity of a product|keep the basket for 30 days|show the total including VAT|show the shipping costs before checkout",
        "Orders": "send a confirmation after each order|show a user all orders of the last two years|let a user cancel an order that has not been shipped|let a user download an invoice as PDF|inform a user when an order has been shipped",
    }
    parts, number = [], 0
    for title, texts in groups.items():
        lines = []
        for text in texts.split("|"):
            number += 1
            lines.append(f"- **REQ-{number:03d}:** The system shall {text}.")
        parts.append(f"### {title}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def user_stories() -> str:
    stories = (
        ("member", "renew a loan online", "I do not have to come to the library"), ("member", "reserve a book", "I get it as soon as it is returned"),
        ("member", "see my fines", "I know what I owe"), ("member", "get a reminder before a book is due", "I avoid fines"),
        ("visitor", "search the catalogue", "I know whether a visit is worth it"), ("visitor", "see the opening hours", "I do not stand before a closed door"),
        ("librarian", "register a new member", "the member can borrow at once"), ("librarian", "see overdue loans", "I can send reminders"),
        ("librarian", "mark a book as lost", "nobody reserves it"), ("librarian", "print labels", "new books can go on the shelf"),
        ("manager", "see loans per month", "I can plan the budget"), ("manager", "see which books are never borrowed", "I can make room"),
    )  # fmt: skip
    return "\n\n".join(
        f"**US-{number}**\nAs a {role},\nI want to {wish},\nso that {reason}."
        for number, (role, wish, reason) in enumerate(stories, 1)
    )


def gherkin() -> str:
    cases = (
        ("correct PIN", "1234", "shows the menu"), ("wrong PIN", "9999", 'says "Wrong PIN"'), ("PIN too short", "123", 'says "Four digits, please"'),
        ("PIN with letters", "12a4", "ignores the letter"), ("wrong PIN three times", "9999 three times", "keeps the card"), ("cancelled", "nothing and presses cancel", "returns the card"),
    )  # fmt: skip
    parts = [
        f"  Scenario: {title}\n    Given the machine is on\n    And the customer has inserted a valid card\n    When the customer enters {entered}\n    Then the machine {result}"
        for title, entered, result in cases
    ]
    return "```gherkin\nFeature: Entering the PIN\n\n" + "\n\n".join(parts) + "\n```"


def meta_descriptions() -> str:
    pages = "hiking boots|trail running shoes|rain jackets|down jackets|backpacks|tents|sleeping bags|camping stoves|head torches|climbing ropes".split(
        "|"
    )
    return "\n\n".join(
        f"**Page:** {page.capitalize()}\n**Title:** {page.title()} | Buy Online | Northpeak\n"
        f"**Description:** Discover our range of {page} for women, men and children. ✓ Free delivery from €50 ✓ 30 days to return ✓ Buy your {page} at Northpeak today!"
        for page in pages
    )


def commit_messages() -> str:
    parts = "header footer sidebar navbar breadcrumb modal tooltip dropdown accordion carousel pagination avatar badge spinner toast".split()
    return "One commit for each component:\n\n" + "\n".join(
        f"{number}. `refactor({part}): convert {part} to a function component`"
        for number, part in enumerate(parts, 1)
    )


def error_codes() -> str:
    things = (
        ("E1001", "door", "is open", "Close the door"), ("E1002", "filter", "is blocked", "Clean the filter"), ("E1003", "water tank", "is empty", "Fill the water tank"),
        ("E1004", "drip tray", "is full", "Empty the drip tray"), ("E1005", "grounds container", "is full", "Empty the grounds container"),
        ("E1006", "bean hopper", "is empty", "Fill the bean hopper"), ("E1007", "brewing unit", "is missing", "Insert the brewing unit"),
        ("E1008", "brewing unit", "is blocked", "Rinse the brewing unit"), ("E1009", "milk hose", "is blocked", "Rinse the milk hose"),
        ("E1010", "pump", "is too hot", "Switch the machine off for 30 minutes"), ("E1011", "boiler", "is scaled", "Start the descaling programme"), ("E1012", "grinder", "is blocked", "Remove stones from the grinder"),
    )  # fmt: skip
    return "\n\n".join(
        f"**{code}**\n- *Meaning:* The {thing} {state}.\n- *What to do:* {act} and press OK.\n- *If the message stays:* Call our service and give the code {code}."
        for code, thing, state, act in things
    )


def interview() -> str:
    asked = (
        ("How did you start?", "I started in my kitchen with one pot and one recipe."), ("And then?", "Then I bought a second pot."),
        ("And then?", "Then my sister joined, and she brought her own pots."), ("What was the hardest day?", "The day the health inspector came."),
        ("And the best?", "The day the health inspector came back as a customer."), ("Do you still cook?", "Every day. I cook, and my sister counts."),
        ("What do people ask you most?", "They ask for the recipe."), ("And what do you say?", "I say it is one pot and one recipe."), ("Will you open a second shop?", "My sister says yes. I say we need more pots."),
    )  # fmt: skip
    return "\n\n".join(
        f"**Interviewer:** {question}\n\n**Ana:** {answer}" for question, answer in asked
    )


WORK: Answers = {
    "minutes": MINUTES,
    "changelog": CHANGELOG,
    "tenancy-agreement": CONTRACT,
    "requirements": requirements,
    "user-stories": user_stories,
    "gherkin-scenarios": gherkin,
    "meta-descriptions": meta_descriptions,
    "commit-messages": commit_messages,
    "error-codes": error_codes,
    "interview": interview,
}
