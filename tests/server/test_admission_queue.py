"""The queue by itself: limits, shares, waits, and that every count comes back to 0 whatever happens in whatever order."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from server.admission import AdmissionQueue, QueueLimits, QueuePlace
from server.admission.drain_rate import MAX_NOTED, UNKNOWN_WAIT_S, DrainRate
from server.admission.queue_counts import NOTHING, Holder, Load
from server.errors import RateLimited, RequestError, Unavailable


def queue(**changes: float) -> AdmissionQueue:
    limits = {"max_requests": 20, "max_queued_requests": 8, "max_queued_tokens": 100}
    return AdmissionQueue(QueueLimits(**{**limits, "max_share": 0.5, **changes}))  # type: ignore[arg-type]  # ints where ints belong


def refusal(work: Callable[[], object]) -> tuple[int, str | None]:
    with pytest.raises(RequestError) as caught:
        work()
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60
    return caught.value.status, caught.value.code


def test_a_full_queue_refuses_and_a_first_token_makes_room() -> None:
    waiting = queue()
    places = [waiting.enter() for _ in range(8)]
    assert refusal(waiting.enter) == (503, "queue_full")
    places[3].note_first_token(0)
    assert waiting.counts.total.num_requests == 7
    waiting.enter()
    assert waiting.num_open == 9
    assert refusal(waiting.enter) == (503, "queue_full")


def test_open_requests_are_limited_too() -> None:
    waiting = queue(max_requests=3)
    for _ in range(2):
        waiting.enter().note_first_token(0)
    waiting.enter_unqueued()
    assert refusal(waiting.enter) == (503, "server_full")
    assert refusal(waiting.enter_unqueued) == (503, "server_full")
    assert waiting.counts.total == NOTHING, (
        "who is refused for this has no place in the queue either"
    )


def test_a_tenant_has_its_share_where_there_are_others() -> None:
    waiting = queue()
    for _ in range(4):
        waiting.enter("a", has_others=True)
    assert refusal(lambda: waiting.enter("a", has_others=True)) == (429, "tenant_queue_full")
    for _ in range(4):
        waiting.enter("b", has_others=True)
    assert refusal(lambda: waiting.enter("b", has_others=True)) == (429, "tenant_queue_full")
    assert refusal(lambda: waiting.enter("c", has_others=True)) == (503, "queue_full")


def test_alone_a_tenant_or_a_model_may_have_it_all() -> None:
    waiting = queue()
    for _ in range(8):
        waiting.enter("a").name_model("chat", has_others=False)
    assert waiting.counts.total == Load(num_requests=8)


def test_a_model_has_its_share_whoever_asks() -> None:
    waiting = queue()
    for tenant in ("a", "a", "b", None):
        waiting.enter(tenant, has_others=True).name_model("chat", has_others=True)
    late = waiting.enter("c", has_others=True)
    told = refusal(lambda: late.name_model("chat", has_others=True))
    assert told == (429, "model_queue_full")
    late.name_model("other", has_others=True)
    assert waiting.counts.of(Holder("model", "other")).num_requests == 1


def test_the_smallest_share_is_one_request() -> None:
    waiting = queue(max_queued_requests=4, max_share=0.1)
    for tenant in ("a", "b", "c"):
        waiting.enter(tenant, has_others=True)
        assert refusal(lambda: waiting.enter(tenant, has_others=True))[0] == 429  # noqa: B023  (called at once)


def test_prompts_are_counted_by_their_tokens() -> None:
    waiting = queue()
    waiting.enter().take_prompts([60, 30], 1)
    late = waiting.enter()
    assert refusal(lambda: late.take_prompts([11], 1)) == (503, "queue_tokens_full")
    late.take_prompts([10], 1)
    assert waiting.counts.total == Load(2, 100)


def test_a_prompt_that_is_over_the_limit_waits_alone() -> None:
    waiting = queue()
    large = waiting.enter("a", has_others=True)
    large.take_prompts([101], 1)
    assert refusal(lambda: waiting.enter().take_prompts([1], 1))[1] == "queue_tokens_full"
    large.note_first_token(0)
    waiting.enter().take_prompts([1], 1)
    assert refusal(lambda: waiting.enter().take_prompts([101], 1))[1] == "queue_tokens_full"


def test_tokens_are_shared_as_places_are() -> None:
    waiting = queue()
    waiting.enter("a", has_others=True).take_prompts([50], 1)
    again = waiting.enter("a", has_others=True)
    assert refusal(lambda: again.take_prompts([1], 1)) == (429, "tenant_queue_full")
    other = waiting.enter("b", has_others=True)
    other.name_model("chat", has_others=True)
    other.take_prompts([50], 1)
    third = waiting.enter("c", has_others=True)
    third.name_model("chat", has_others=True)
    assert refusal(lambda: third.take_prompts([1], 1)) == (429, "model_queue_full")


def test_each_prompt_waits_for_its_own_first_token() -> None:
    waiting = queue()
    place = waiting.enter()
    place.take_prompts([10, 20, 30], 2)
    place.note_first_token(3)
    assert waiting.counts.total == Load(0, 40), (
        "the second prompt's other choice; the request is answered"
    )
    place.note_first_token(2)
    assert waiting.counts.total == Load(0, 40)
    place.note_first_token(0)
    assert waiting.counts.total == Load(0, 30)
    place.leave()
    assert waiting.counts.total == NOTHING


def test_what_generates_nothing_is_open_and_never_queued() -> None:
    waiting = queue()
    place = waiting.enter_unqueued()
    place.name_model("chat", has_others=True)
    place.take_prompts([1000], 1)
    assert (waiting.num_open, waiting.counts.total, waiting.counts.holders) == (
        1,
        NOTHING,
        frozenset(),
    )
    place.leave()
    assert waiting.num_open == 0


def test_the_wait_is_what_the_queue_took_of_late() -> None:
    now = [100.0]
    rate = DrainRate(lambda: now[0])
    assert rate.wait_s(1000) == UNKNOWN_WAIT_S
    for _ in range(20):
        now[0] += 0.5
        rate.note()
    assert rate.wait_s(21) == 10, "20 came in the last 9.5 s"
    assert rate.wait_s(0) == 1
    assert rate.wait_s(10_000) == 60
    now[0] += 61
    assert rate.wait_s(21) == UNKNOWN_WAIT_S, "nothing is known of the last minute"


def test_a_fast_server_is_not_measured_by_what_fits_into_memory() -> None:
    now = [0.0]
    rate = DrainRate(lambda: now[0])
    for _ in range(MAX_NOTED * 3):
        now[0] += 0.01
        rate.note()
    assert rate.wait_s(1000) == 10


class Walk(RuleBasedStateMachine):
    """Any order of what may happen to requests; a model that only knows the list of what is open says what is right."""

    places = Bundle("places")

    def __init__(self) -> None:
        super().__init__()
        self.queue = queue()
        self.open: list[QueuePlace] = []
        self.left: list[QueuePlace] = []

    @rule(target=places, tenant=st.sampled_from([None, "a", "b"]), others=st.booleans())
    def enter(self, tenant: str | None, others: bool) -> QueuePlace:
        try:
            place = self.queue.enter(tenant, has_others=others)
        except (RateLimited, Unavailable):
            # What is refused is over already, as far as the middleware knows.
            place = QueuePlace(AdmissionQueue(self.queue.limits))
        else:
            self.open.append(place)
        return place

    @rule(target=places)
    def enter_unqueued(self) -> QueuePlace:
        try:
            place = self.queue.enter_unqueued()
        except Unavailable:
            place = QueuePlace(AdmissionQueue(self.queue.limits))
        else:
            self.open.append(place)
        return place

    @rule(place=places, name=st.sampled_from(["chat", "other"]), others=st.booleans())
    def name(self, place: QueuePlace, name: str, others: bool) -> None:
        if place in self.open and not any(h.kind == "model" for h in place._holders):
            try:
                place.name_model(name, has_others=others)
            except RateLimited:
                self.leave(place)

    @rule(place=places, lengths=st.lists(st.integers(1, 60), min_size=1, max_size=3))
    def render(self, place: QueuePlace, lengths: list[int]) -> None:
        if place in self.open and not place._prompts:
            try:
                place.take_prompts(lengths, 2)
            except (RateLimited, Unavailable):
                self.leave(place)

    @rule(place=places, index=st.integers(0, 7))
    def first_token(self, place: QueuePlace, index: int) -> None:
        if place in self.open:
            place.note_first_token(index)

    @rule(place=consumes(places))
    def leave(self, place: QueuePlace) -> None:
        place.leave()
        if place in self.open:
            self.open.remove(place)
            self.left.append(place)

    @rule()
    def leave_again(self) -> None:
        for place in self.left:
            place.leave()

    @invariant()
    def counts_are_those_of_the_open(self) -> None:
        counts, limits = self.queue.counts, self.queue.limits
        queued = [place for place in self.open if place._is_queued]
        waiting = [place for place in self.open if place._is_queued or place._prompts]
        assert self.queue.num_open == len(self.open) <= limits.max_requests
        assert counts.total.num_requests == len(queued) <= limits.max_queued_requests
        assert counts.total.num_tokens == sum(sum(p._prompts.values()) for p in waiting)
        assert counts.holders == {holder for place in waiting for holder in place._holders}
        for holder in counts.holders:
            theirs = [place for place in waiting if holder in place._holders]
            tokens = sum(sum(place._prompts.values()) for place in theirs)
            assert counts.of(holder) == Load(sum(p._is_queued for p in theirs), tokens)

    def teardown(self) -> None:
        for place in [*self.open]:
            self.leave(place)
        assert (self.queue.num_open, self.queue.counts.total) == (0, NOTHING)
        assert self.queue.counts.holders == frozenset()


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
