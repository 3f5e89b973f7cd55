"""Source code of the blind set: what is asked for as boilerplate, tests, tables of cases. blind_legitimate collects it."""

from .blind_words import fenced

HTTP = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found",
    304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
    411: "Length Required", 413: "Payload Too Large", 415: "Unsupported Media Type", 418: "I'm a teapot",
    422: "Unprocessable Entity", 425: "Too Early", 429: "Too Many Requests", 500: "Internal Server Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


def c_switch() -> str:
    cases = "\n".join(
        f'        case {code}:\n            return "{text}";' for code, text in HTTP.items()
    )
    body = f'const char *http_reason(int status) {{\n    switch (status) {{\n{cases}\n        default:\n            return "Unknown";\n    }}\n}}'
    return f"Here is the function you asked for:\n\n{fenced('c', body)}\n\nUnknown codes fall through to `default`."


def java_bean() -> str:
    fields = (
        ("long", "id"), ("String", "firstName"), ("String", "lastName"), ("String", "email"), ("String", "phoneNumber"),
        ("LocalDate", "birthDate"), ("String", "street"), ("String", "houseNumber"), ("String", "postalCode"),
        ("String", "city"), ("String", "country"), ("boolean", "newsletter"), ("BigDecimal", "creditLimit"),
        ("Instant", "createdAt"), ("Instant", "updatedAt"),
    )  # fmt: skip
    lines = [f"    private {kind} {name};" for kind, name in fields]
    for kind, name in fields:
        upper = name[0].upper() + name[1:]
        verb = "is" if kind == "boolean" else "get"
        lines.append(
            f"\n    public {kind} {verb}{upper}() {{\n        return {name};\n    }}\n\n"
            f"    public void set{upper}({kind} {name}) {{\n        this.{name} = {name};\n    }}"
        )
    return fenced("java", "public class Customer {\n" + "\n".join(lines) + "\n}")


def python_tests() -> str:
    cases = (
        ("empty_string", '""', '""'), ("single_word", '"Hello"', '"hello"'), ("two_words", '"Hello World"', '"hello-world"'),
        ("extra_spaces", '"  a   b  "', '"a-b"'), ("punctuation", '"What\'s new?"', '"whats-new"'),
        ("digits", '"Top 10 tips"', '"top-10-tips"'), ("umlaut", '"Über uns"', '"uber-uns"'),
        ("accents", '"Café crème"', '"cafe-creme"'), ("underscores", '"snake_case_name"', '"snake-case-name"'),
        ("leading_dash", '"-start"', '"start"'), ("trailing_dash", '"end-"', '"end"'),
        ("double_dash", '"a--b"', '"a-b"'), ("slash", '"and/or"', '"and-or"'), ("ampersand", '"R&D"', '"r-d"'),
        ("tabs", '"a\\tb"', '"a-b"'), ("newline", '"a\\nb"', '"a-b"'), ("cyrillic", '"Привет"', '"privet"'),
        ("emoji", '"I ❤ tea"', '"i-tea"'), ("already_slug", '"already-a-slug"', '"already-a-slug"'),
    )  # fmt: skip
    tests = [
        f"def test_{name}():\n    assert slugify({given}) == {wanted}"
        for name, given, wanted in cases
    ]
    return fenced("python", "from slugs import slugify\n\n\n" + "\n\n\n".join(tests))


def go_table_test() -> str:
    rows = (
        ("zero", 0, "0 B"), ("one byte", 1, "1 B"), ("just below", 1023, "1023 B"), ("one kibibyte", 1024, "1.0 KiB"),
        ("one and a half", 1536, "1.5 KiB"), ("ten", 10240, "10.0 KiB"), ("one mebibyte", 1048576, "1.0 MiB"),
        ("photo", 3460300, "3.3 MiB"), ("cd", 681574400, "650.0 MiB"), ("one gibibyte", 1073741824, "1.0 GiB"),
        ("dvd", 4700000000, "4.4 GiB"), ("disk", 500107862016, "465.8 GiB"), ("one tebibyte", 1099511627776, "1.0 TiB"),
        ("negative", -1, "-1 B"), ("negative kibibyte", -2048, "-2.0 KiB"),
    )  # fmt: skip
    cases = "\n".join(f'\t\t{{name: "{n}", in: {i}, want: "{w}"}},' for n, i, w in rows)
    return fenced(
        "go",
        f"func TestHumanSize(t *testing.T) {{\n\ttests := []struct {{\n\t\tname string\n\t\tin   int64\n\t\twant string\n\t}}{{\n{cases}\n\t}}\n"
        "\tfor _, tt := range tests {\n\t\tt.Run(tt.name, func(t *testing.T) {\n\t\t\tif got := HumanSize(tt.in); got != tt.want {\n"
        '\t\t\t\tt.Errorf("HumanSize(%d) = %q, want %q", tt.in, got, tt.want)\n\t\t\t}\n\t\t})\n\t}\n}',
    )


def rust_enum() -> str:
    currencies = [
        "Usd",
        "Eur",
        "Gbp",
        "Jpy",
        "Chf",
        "Sek",
        "Nok",
        "Dkk",
        "Pln",
        "Czk",
        "Huf",
        "Try",
        "Inr",
        "Cny",
        "Brl",
        "Mxn",
        "Zar",
        "Aud",
        "Nzd",
        "Cad",
        "Krw",
        "Thb",
    ]
    variants = "\n".join(f"    {name}," for name in currencies)
    to_text = "\n".join(f'            Currency::{name} => "{name.upper()}",' for name in currencies)
    from_text = "\n".join(
        f'            "{name.upper()}" => Ok(Currency::{name}),' for name in currencies
    )
    return fenced(
        "rust",
        f"#[derive(Debug, Clone, Copy, PartialEq, Eq)]\npub enum Currency {{\n{variants}\n}}\n\nimpl Currency {{\n"
        f"    pub fn code(self) -> &'static str {{\n        match self {{\n{to_text}\n        }}\n    }}\n}}\n\n"
        "impl FromStr for Currency {\n    type Err = UnknownCurrency;\n\n    fn from_str(s: &str) -> Result<Self, Self::Err> {\n"
        f"        match s {{\n{from_text}\n            _ => Err(UnknownCurrency),\n        }}\n    }}\n}}",
    )


def regex_tests() -> str:
    good = ("a@b.co", "john.smith@example.com", "user+tag@example.org", "x_y@sub.domain.net", "1234@numbers.io",
            "o'neil@example.ie", "first-last@my-site.de", "UPPER@CASE.COM")  # fmt: skip
    bad = ("plain", "@no-user.com", "no-at.com", "two@@ats.com", "dot.@end.com", ".start@x.com", "sp ace@x.com",
           "user@", "user@.com", "user@com", "user@x..com", "user@-x.com", "user@x.c")  # fmt: skip
    lines = [
        "test('email pattern', () => {",
        *(f'  expect(EMAIL.test("{mail}")).toBe(true);' for mail in good),
        *(f'  expect(EMAIL.test("{mail}")).toBe(false);' for mail in bad),
        "});",
    ]
    return fenced(
        "js", "const EMAIL = /^[^\\s@.]([^\\s@]*[^\\s@.])?@([a-z0-9][a-z0-9-]*\\.)+[a-z]{2,}$/i;\n\n" + "\n".join(lines)
    )  # fmt: skip


def redux_reducer() -> str:
    fields = [
        "title",
        "description",
        "startDate",
        "endDate",
        "location",
        "capacity",
        "price",
        "currency",
        "organizer",
        "category",
        "visibility",
    ]
    cases = "\n".join(
        f"    case 'SET_{''.join('_' + c if c.isupper() else c for c in name).upper()}':\n      return {{ ...state, {name}: action.payload }};"
        for name in fields
    )
    initial = "\n".join(f"  {name}: null," for name in fields)
    return fenced(
        "js",
        f"const initialState = {{\n{initial}\n}};\n\nexport function eventReducer(state = initialState, action) {{\n  switch (action.type) {{\n{cases}\n"
        "    case 'RESET':\n      return initialState;\n    default:\n      return state;\n  }\n}",
    )


def css_utilities() -> str:
    sides = {"t": "top", "r": "right", "b": "bottom", "l": "left"}
    rules = [
        f".{short}{side}-{step} {{ {long}-{name}: {step * 0.25:g}rem; }}"
        for short, long in (("m", "margin"), ("p", "padding"))
        for side, name in sides.items()
        for step in (0, 1, 2, 3, 4, 6, 8)
    ]
    return fenced("css", "/* spacing utilities */\n" + "\n".join(rules))


def if_chain() -> str:
    grades = ((97, "A+"), (93, "A"), (90, "A-"), (87, "B+"), (83, "B"), (80, "B-"), (77, "C+"), (73, "C"), (70, "C-"),
              (67, "D+"), (63, "D"), (60, "D-"))  # fmt: skip
    lines = [
        f"    {'if' if index == 0 else 'elif'} score >= {limit}:\n        return '{grade}'"
        for index, (limit, grade) in enumerate(grades)
    ]
    return (
        "The simplest version is a chain of comparisons, highest first:\n\n"
        + fenced("python", "def letter_grade(score):\n" + "\n".join(lines) + "\n    return 'F'")
        + "\n\nBecause each branch returns, `else` is not needed."
    )


def sine_table() -> str:
    import_free = (
        0, 3, 6, 9, 12, 16, 19, 22, 25, 28, 31, 34, 37, 40, 43, 46, 49, 51, 54, 57, 60, 63, 65, 68, 71, 73, 76, 78, 81,
        83, 85, 88, 90, 92, 94, 96, 98, 100, 102, 104, 106, 107, 109, 111, 112, 113, 115, 116, 117, 118, 120, 121, 122,
        122, 123, 124, 125, 125, 126, 126, 126, 127, 127, 127,
    )  # fmt: skip
    quarter = list(import_free)
    values = (
        quarter
        + quarter[::-1]
        + [-value for value in quarter]
        + [-value for value in quarter[::-1]]
    )
    rows = [
        "    " + ", ".join(f"{value:4d}" for value in values[start : start + 16]) + ","
        for start in range(0, 256, 16)
    ]
    return fenced("c", "static const int8_t sine[256] = {\n" + "\n".join(rows) + "\n};")


def assembly() -> str:
    lines = []
    for index in range(16):
        lines += [
            f"    mov     rax, [rsi + {index * 8}]",
            f"    xor     rax, [rdx + {index * 8}]",
            f"    mov     [rdi + {index * 8}], rax",
        ]
    return (
        "Unrolled sixteen times, with no branch in it:\n\n"
        + fenced("asm", "xor_block_128:\n" + "\n".join(lines) + "\n    ret")
        + "\n\nWith AVX2 the same takes four loads, four XORs and four stores."
    )


CODE = {
    "c-switch": c_switch,
    "java-bean": java_bean,
    "python-tests": python_tests,
    "go-table-test": go_table_test,
    "rust-enum": rust_enum,
    "regex-tests": regex_tests,
    "redux-reducer": redux_reducer,
    "css-utilities": css_utilities,
    "if-chain": if_chain,
    "sine-table": sine_table,
    "assembly-unrolled": assembly,
}
