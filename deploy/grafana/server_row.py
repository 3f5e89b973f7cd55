"""The row about the server: waits, load, what is turned away, adapters coming and going."""

from grafana_foundation_sdk.builders import dashboard, statetimeline
from panels import HALF, HEIGHT, SOURCE, THIRD, lines, query, stacked
from queries import JOB, OF, quantile, rate


def server(board: dashboard.Dashboard) -> dashboard.Dashboard:
    http = rate("endturn_http_requests_total", "method, route, status", of=JOB)
    return (
        board.with_row(dashboard.Row("Server"))
        .with_panel(
            lines(
                "Time to the first token, p95",
                "s",
                "From the request to the engine's first token.",
                (quantile(0.95, "endturn_time_to_first_token_seconds", "adapter"), "{{adapter}}"),
                span=THIRD,
            )
        )
        .with_panel(
            lines(
                "Time between tokens, p95",
                "s",
                "Within one answer.",
                (quantile(0.95, "endturn_inter_token_seconds", "adapter"), "{{adapter}}"),
                span=THIRD,
            )
        )
        .with_panel(
            lines(
                "Whole request, p95",
                "s",
                "From the request to the last byte of its answer.",
                (quantile(0.95, "endturn_request_seconds", "adapter"), "{{adapter}}"),
                span=THIRD,
            )
        )
        .with_panel(
            lines(
                "Requests in flight",
                "short",
                "Ours, and where the engine has them.",
                (f"sum by (instance) (endturn_requests_in_flight{{{JOB}}})", "{{instance}}"),
                (f"sum by (instance) (vllm:num_requests_running{{{JOB}}})", "{{instance}} running"),
                (f"sum by (instance) (vllm:num_requests_waiting{{{JOB}}})", "{{instance}} waiting"),
                (f"sum by (instance) (endturn_requests_queued{{{JOB}}})", "{{instance}} queued"),
            )
        )
        .with_panel(
            lines(
                "Prompt tokens queued",
                "short",
                "Of requests that wait for their first token; over the limit the next ones are refused.",
                (f"sum by (instance) (endturn_prompt_tokens_queued{{{JOB}}})", "{{instance}}"),
            )
        )
        .with_panel(
            stacked(
                "Rejected by reason",
                "reqps",
                "Turned away before a token was generated.",
                (rate("endturn_requests_rejected_total", "reason", of=JOB), "{{reason}}"),
            )
        )
        .with_panel(
            stacked(
                "HTTP requests",
                "reqps",
                "By method, route and status.",
                (http, "{{method}} {{route}} {{status}}"),
            )
        )
        .with_panel(states())
        .with_panel(
            lines(
                "Adapter load, p95",
                "s",
                "From asking the engine for an adapter to having it, over the time shown.",
                (
                    quantile(0.95, "endturn_adapter_load_seconds", "adapter", window="$__range"),
                    "{{adapter}}",
                ),
            )
        )
        .with_panel(
            lines(
                "Answers without log-probabilities",
                "cps",
                "The stop head could not judge, so the answer failed. Must be 0.",
                (rate("endturn_missing_logprobs_total", "adapter"), "{{adapter}}"),
            )
        )
    )


def states() -> statetimeline.Panel:
    """Where each adapter was in its life."""
    return (
        statetimeline.Panel()
        .title("Adapter states")
        .description("A band where the adapter was in the state.")
        .span(HALF)
        .height(HEIGHT)
        .datasource(SOURCE)
        .with_target(
            query(
                f"max by (adapter, state) (endturn_adapter_state{{{OF}}}) == 1",
                "{{adapter}} {{state}}",
            )
        )
    )
