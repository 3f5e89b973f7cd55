"""Chat templates come with adapters: the published ways out of Jinja's sandbox, and bombs, through the server's own renderer."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from adapters.rendering import TemplateProcess, TemplateRefusal, TemplateTooCostly
from server.prompt import PromptRenderer, reads_tools
from tests.fakes import served
from tests.server.running import running

MESSAGES = [{"role": "user", "content": "hi"}]
# Each would say something of Python's inside if it got through; SHOWS are the signs of that.
ESCAPES: Mapping[str, str] = {
    "CVE-2016-10745 format": "{{ '{0.__class__.__mro__}'.format(messages) }}",
    "CVE-2019-10906 format_map": "{{ '{x.__class__.__mro__}'.format_map({'x': messages}) }}",
    "CVE-2024-56326 kept format": "{% set f = '{0.__class__.__mro__}'.format %}{{ f(messages) }}",
    "CVE-2024-56326 kept format_map": "{% set f = '{x.__class__.__mro__}'.format_map %}{{ f({'x': messages}) }}",
    "CVE-2024-56326 in a map": "{{ (['{0.__class__.__mro__}'] | map(attribute='format') | first)(messages) }}",
    "CVE-2025-27516 attr filter": "{{ ('{0.__class__.__mro__}' | attr('format'))(messages) }}",
    "CVE-2025-27516 mapped attr": "{{ (['{0.__class__.__mro__}'] | map('attr', 'format') | first)(messages) }}",
    "attribute chain": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attr filter": "{{ messages | attr('__class__') | attr('__mro__') }}",
    "item": "{{ ''['__class__']['__mro__'] }}",
    "spelt name": "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "joined name": "{{ messages | attr('__cla' ~ 'ss__') }}",
    "sorted by attribute": "{{ [messages] | map(attribute='__class__') | list }}",
    "lipsum": "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "lipsum by attr": "{{ (lipsum | attr('__globals__'))['os'] }}",
    "cycler": "{{ cycler.__init__.__globals__ }}",
    "cycler made": "{{ cycler('a').next.__func__.__globals__ }}",
    "joiner": "{{ joiner('a').__call__.__func__.__globals__ }}",
    "namespace": "{{ namespace(a=1).__init__.__globals__ }}",
    "raise_exception": "{{ raise_exception.__globals__ }}",
    "raise_exception's code": "{{ raise_exception.__code__.co_consts }}",
    "strftime_now": "{{ strftime_now.__globals__ }}",
    "self": "{{ self._TemplateReference__context.environment }}",
    "self's class": "{{ self.__init__.__globals__ }}",
    "loop": "{% for m in messages %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "macro": "{% macro m() %}{% endmacro %}{{ m._environment }}{{ m.__init__.__globals__ }}",
    "caller": "{% macro m() %}{{ caller._func.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "generator": "{{ (messages | map('upper')).gi_frame.f_globals }}",
    "import": "{% import 'os' as os %}{{ os.environ }}",
    "include": "{% include '/etc/passwd' %}",
    "extends": "{% extends '/etc/passwd' %}",
    "from": "{% from '/etc/passwd' import root %}{{ root }}",
    "debug": "{% debug %}",
}
SHOWS = ("<class", "<module", "<function", "<code", "root:", "environ(", "uid=", "__builtins__")
CHANGES = {
    "a list": "{{ messages.append(1) }}",
    "messages": "{{ messages.clear() }}",
    "a dict": "{{ messages[0].update({'role': 'x'}) }}",
    "a dict by attr": "{{ (messages[0] | attr('pop'))('role') }}",
}
BOMBS: Mapping[str, str] = {
    "range": "{% for i in range(10**9) %}{% endfor %}",
    "nested ranges": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "power": "{{ (9 ** 9 ** 9) ** 9 ** 9 }}",
    "text": "{{ 'x' * 10**10 }}",
    "list": "{{ [0] * 10**9 }}",
    "doubled": "{% set n = namespace(x='x' * 1000) %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "lipsum": "{{ lipsum(n=10**7) }}",
    "width of %": "{{ '%10000000000d' % 1 }}",
    "width of format": "{{ '{:>10000000000}'.format(1) }}",
    "center": "{{ 'x' | center(10**10) }}",
    "zfill": "{{ '1'.zfill(10**10) }}",
    "replace": "{{ ('x' * 10**6) | replace('x', 'y' * 10**6) }}",
    "batch": "{{ messages | batch(10**10, 'x') | list }}",
    "slow wrapping": "{{ ('a' * 10**7) | wordwrap(1) }}",
    "macro in itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "parentheses": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "blocks": "{% if 1 %}" * 2000 + "{% endif %}" * 2000,
}


@pytest.fixture(scope="module")
def process() -> Iterator[TemplateProcess]:
    with TemplateProcess(timeout_s=2.0) as made:
        yield made


def rendered(process: TemplateProcess, template: str, **options: Any) -> str | TemplateRefusal:
    try:
        return process.render(template, MESSAGES, options)
    except TemplateRefusal as exc:
        return exc


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_way_out_of_the_sandbox_shows_anything(process: TemplateProcess, escape: str) -> None:
    said = str(rendered(process, ESCAPES[escape]))
    assert not [sign for sign in SHOWS if sign in said]


@pytest.mark.parametrize("what", CHANGES)
def test_templates_change_nothing(process: TemplateProcess, what: str) -> None:
    assert "unsafe" in str(rendered(process, CHANGES[what] + "changed"))


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_and_the_next_is_rendered(process: TemplateProcess, bomb: str) -> None:
    told = rendered(process, BOMBS[bomb])
    assert isinstance(told, TemplateRefusal)
    assert len(str(told)) <= 1000
    assert rendered(process, "{{ messages[0].content }}") == "hi"


def test_memory_and_time_are_refusals_of_their_own(process: TemplateProcess) -> None:
    told = rendered(process, "{{ 'x' * (3 * 10**9) }}")
    assert isinstance(told, TemplateTooCostly)
    assert "memory" in str(told)
    assert isinstance(rendered(process, BOMBS["nested ranges"]), TemplateTooCostly)


def test_one_rendering_leaves_nothing_for_the_next(process: TemplateProcess) -> None:
    keep = "{% set kept = 'SECRET' %}{% set n = namespace(kept='SECRET') %}{{ cycler('SECRET').next() }}"
    assert rendered(process, keep) == "SECRET"
    assert rendered(process, "{{ kept }}{{ n }}{{ namespace().kept }}") == ""


@pytest.mark.parametrize(
    "text", ["{{ 7 * 7 }}", "{% raw %}", "{# x #}", "${7*7}", "{{ messages }}"]
)
async def test_what_clients_say_is_never_a_template(renderer: PromptRenderer, text: str) -> None:
    async with running(renderer, served(template="{{ messages[0].content }}{{ wish }}")) as run:
        reply = await run.chat(
            messages=[{"role": "user", "content": text}], chat_template_kwargs={"wish": text}
        )
        assert reply.status_code == 200
        assert bytes(run.engine.requests[0].prompt_token_ids).decode() == text * 2


@pytest.mark.parametrize(
    "escape",
    ["CVE-2019-10906 format_map", "CVE-2024-56326 kept format", "attribute chain", "include"],
)
async def test_an_adapters_escape_is_an_error_for_its_clients_alone(
    renderer: PromptRenderer, escape: str
) -> None:
    hostile = served("hostile", template=ESCAPES[escape])
    async with running(renderer, served(), hostile) as run:
        reply = await run.chat(model="hostile")
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "template_error")
        assert not [sign for sign in SHOWS if sign in reply.text]
        assert (await run.chat()).status_code == 200
        assert len(run.engine.requests) == 1


@pytest.mark.parametrize("bomb", ["range", "doubled", "list"])
async def test_an_adapters_bomb_is_an_error_for_its_clients_alone(
    renderer: PromptRenderer, bomb: str
) -> None:
    async with running(renderer, served(), served("hostile", template=BOMBS[bomb])) as run:
        assert (await run.chat(model="hostile")).status_code == 400
        assert (await run.chat()).status_code == 200


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["{{", "{%", "{{ tool", "{", "}}", "'", '"', "{{'"])
def test_a_template_made_to_be_slow_is_looked_through(unit: str) -> None:
    """Whether it reads tools is asked on the event loop: for a template of a mebibyte this took hours once."""
    opened = "{# " + unit * ((1 << 20) // len(unit))
    assert not reads_tools(opened + " #}")
    assert reads_tools("{{ tools }}" + opened)


async def test_tools_of_a_template_made_to_be_slow_block_nobody(renderer: PromptRenderer) -> None:
    slow = replace(served("slow"), template="{# " + "{{" * 200_000 + " #}")
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    async with running(renderer, served(), slow) as run:
        reply = await run.chat(model="slow", tools=[tool])
        assert reply.status_code == 400
        assert reply.json()["error"]["param"] == "tools"
