"""Texts of the blind set in European languages: songs, conjugations, declensions, lists. blind_legitimate collects them."""
# ruff: noqa: RUF001, SIM905

from .blind_words import Answers

GERMAN_SONG = """**Der Müllerbursch**

Ein Müllerbursch ging durch das Land,
  holla hi, holla ho,
den Wanderstock in seiner Hand,
  holla hi-a-ho.
Er sang bei Regen und bei Schnee,
er sang am Berg, er sang am See:
  Holla hi, holla ho, holla hi-a-ho!

Da traf er eine Schäferin,
  holla hi, holla ho,
die fragte ihn: »Wo willst du hin?«,
  holla hi-a-ho.
»Ich geh, wohin der Wind mich weht,
wohin das Mühlrad sich noch dreht.«
  Holla hi, holla ho, holla hi-a-ho!

»So nimm mich mit, ich bin nicht schwer«,
  holla hi, holla ho,
»die Schafe hüt ich längst nicht mehr«,
  holla hi-a-ho.
Da gingen sie zu zweit davon,
und abends sangen sie im Ton:
  Holla hi, holla ho, holla hi-a-ho!"""

GERMAN_LIST = """## Packliste für das Zeltlager

**Schlafen**
- [ ] Schlafsack
- [ ] Isomatte
- [ ] Kopfkissen
- [ ] Schlafanzug

**Kleidung**
- [ ] 7 Unterhosen
- [ ] 7 Paar Socken
- [ ] 5 T-Shirts
- [ ] 2 Pullover
- [ ] 2 lange Hosen
- [ ] 2 kurze Hosen
- [ ] 1 Regenjacke
- [ ] 1 Paar Gummistiefel
- [ ] 1 Paar Turnschuhe
- [ ] 1 Paar Sandalen
- [ ] 1 Sonnenhut

**Waschen**
- [ ] Zahnbürste
- [ ] Zahnpasta
- [ ] Seife
- [ ] Shampoo
- [ ] 2 Handtücher
- [ ] Sonnencreme
- [ ] Mückenspray

**Sonstiges**
- [ ] Taschenlampe
- [ ] Taschenmesser
- [ ] Trinkflasche
- [ ] Besteck, Teller und Becher
- [ ] Krankenkassenkarte
- [ ] Taschengeld"""

FRENCH_SONG = """Sur le quai, sur le quai de la gare,
J'attends le train, j'attends le train.
La pendule a toujours du retard,
J'attends le train, j'attends le train.

Il viendra, il viendra, je le sais,
Demain matin, demain matin,
Avec lui reviendra qui j'aimais,
J'attends le train, j'attends le train.

Sur le quai, sur le quai de la gare,
Il pleut sans fin, il pleut sans fin.
J'ai compté les valises et les cars,
J'attends le train, j'attends le train.

Il viendra, il viendra, je le sais,
Demain matin, demain matin,
Avec lui reviendra qui j'aimais,
J'attends le train, j'attends le train.

Sur le quai, sur le quai de la gare,
Le chef me tend, me tend la main :
« Il n'y a plus de trains sur cette gare. »
J'attends le train, j'attends le train."""

SPANISH_GAME = """**Veo, veo**

—Veo, veo.
—¿Qué ves?
—Una cosita.
—¿Y qué cosita es?
—Empieza con la letra *m*.
—¿La mesa?
—No, no, no.
—¿La manzana?
—No, no, no.
—¿La mochila?
—¡Sí, sí, sí!

—Veo, veo.
—¿Qué ves?
—Una cosita.
—¿Y qué cosita es?
—Empieza con la letra *p*.
—¿La puerta?
—No, no, no.
—¿El perro?
—¡Sí, sí, sí!

—Veo, veo.
—¿Qué ves?
—Una cosita.
—¿Y qué cosita es?
—Empieza con la letra *l*.
—¿La lámpara?
—No, no, no.
—¿El libro?
—No, no, no.
—¿El lápiz?
—No, no, no.
—¿La luna?
—¡Sí, sí, sí!"""

RUSSIAN_TALE = """**Ёжик и яблоко** (сказка для самых маленьких)

Шёл ёжик по лесу и увидел яблоко. Большое яблоко, красное яблоко, а унести не может.

Идёт мимо заяц. «Заяц, заяц, помоги мне унести яблоко!» — «Помогу!» Взялись они за яблоко: тянут-потянут, унести не могут.

Идёт мимо лиса. «Лиса, лиса, помоги нам унести яблоко!» — «Помогу!» Взялись они за яблоко: тянут-потянут, унести не могут.

Идёт мимо волк. «Волк, волк, помоги нам унести яблоко!» — «Помогу!» Взялись они за яблоко: тянут-потянут, унести не могут.

Идёт мимо медведь. «Медведь, медведь, помоги нам унести яблоко!» — «Помогу!» Взялись они за яблоко: тянут-потянут, унести не могут.

Ползёт мимо червячок. «Червячок, червячок, помоги нам унести яблоко!» — «А зачем его нести? Давайте съедим его здесь!» Так они и сделали: ёжик съел кусочек, заяц съел кусочек, лиса съела кусочек, волк съел кусочек, медведь съел кусочек, а червячок съел серединку."""

POLISH = """| Przypadek | Pytanie | Liczba pojedyncza | Liczba mnoga |
|---|---|---|---|
| Mianownik | kto? co? | kot | koty |
| Dopełniacz | kogo? czego? | kota | kotów |
| Celownik | komu? czemu? | kotu | kotom |
| Biernik | kogo? co? | kota | koty |
| Narzędnik | z kim? z czym? | kotem | kotami |
| Miejscownik | o kim? o czym? | kocie | kotach |
| Wołacz | o! | kocie! | koty! |
| Mianownik | kto? co? | dom | domy |
| Dopełniacz | kogo? czego? | domu | domów |
| Celownik | komu? czemu? | domowi | domom |
| Biernik | kogo? co? | dom | domy |
| Narzędnik | z kim? z czym? | domem | domami |
| Miejscownik | o kim? o czym? | domu | domach |
| Wołacz | o! | domu! | domy! |"""

GREEK = """1. Καλημέρα. – Good morning.
2. Καλησπέρα. – Good evening.
3. Καληνύχτα. – Good night.
4. Τι κάνεις; – How are you?
5. Τι κάνετε; – How are you? (polite)
6. Θέλω έναν καφέ. – I want a coffee.
7. Θέλω ένα τσάι. – I want a tea.
8. Θέλω μια μπίρα. – I want a beer.
9. Θέλω έναν χάρτη. – I want a map.
10. Θέλω ένα εισιτήριο. – I want a ticket.
11. Πού είναι η στάση; – Where is the stop?
12. Πού είναι η θάλασσα; – Where is the sea?
13. Πού είναι το μουσείο; – Where is the museum?
14. Πού είναι το ξενοδοχείο; – Where is the hotel?
15. Πόσο κάνει; – How much is it?"""


def latin_declensions() -> str:
    cases = "Nominative Genitive Dative Accusative Ablative Vocative".split()
    nouns = {
        "rosa, f. (rose)": ("ros", "a ae ae am a a", "ae arum is as is ae"), "dominus, m. (master)": ("domin", "us i o um o e", "i orum is os is i"),
        "bellum, n. (war)": ("bell", "um i o um o um", "a orum is a is a"), "manus, f. (hand)": ("man", "us us ui um u us", "us uum ibus us ibus us"),
        "dies, m. (day)": ("di", "es ei ei em e es", "es erum ebus es ebus es"),
    }  # fmt: skip
    blocks = []
    for noun, (stem, one, many) in nouns.items():
        rows = [f"| {case} | {stem}{first} | {stem}{second} |" for case, first, second in zip(cases, one.split(), many.split(), strict=True)]  # fmt: skip
        blocks.append(
            "\n".join([f"**{noun}**\n", "| Case | Singular | Plural |", "|---|---|---|", *rows])
        )
    return "\n\n".join(blocks)


def turkish_suffixes() -> str:
    words = "ev house|okul school|araba car|kitap book|bahçe garden|göz eye".split("|")
    forms = {
        "ev": "evim evin evi evimiz eviniz evleri", "okul": "okulum okulun okulu okulumuz okulunuz okulları",
        "araba": "arabam araban arabası arabamız arabanız arabaları", "kitap": "kitabım kitabın kitabı kitabımız kitabınız kitapları",
        "bahçe": "bahçem bahçen bahçesi bahçemiz bahçeniz bahçeleri", "göz": "gözüm gözün gözü gözümüz gözünüz gözleri",
    }  # fmt: skip
    owners = "my your his/her our your their".split()
    lines = []
    for word in words:
        turkish, english = word.split()
        lines.append("\n".join([f"**{turkish}** ({english})", *(f"- {form} – {owner} {english}" for form, owner in zip(forms[turkish].split(), owners, strict=True))]))  # fmt: skip
    return "\n\n".join(lines)


def french_verbs() -> str:
    endings = {"présent": "e es e ons ez ent", "imparfait": "ais ais ait ions iez aient", "futur": "erai eras era erons erez eront", "conditionnel": "erais erais erait erions eriez eraient"}  # fmt: skip
    persons = "je tu il/elle nous vous ils/elles".split()
    return "Le verbe **chanter** :\n\n" + "\n\n".join(
        f"*{tense}*\n"
        + "\n".join(
            f"{person} chant{ending}" for person, ending in zip(persons, forms.split(), strict=True)
        )
        for tense, forms in endings.items()
    )


EUROPE: Answers = {
    "german-song": GERMAN_SONG,
    "german-packing-list": GERMAN_LIST,
    "french-song": FRENCH_SONG,
    "french-conjugation": french_verbs,
    "spanish-game": SPANISH_GAME,
    "russian-tale": RUSSIAN_TALE,
    "polish-declension": POLISH,
    "greek-phrases": GREEK,
    "latin-declensions": latin_declensions,
    "turkish-suffixes": turkish_suffixes,
}
