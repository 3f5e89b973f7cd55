"""PromQL of the dashboard, over the server's own metrics: it shows something without the rules of ../prometheus."""

OF = 'job=~"$job",adapter=~"$adapter"'
JOB = 'job=~"$job"'


def rate(metric: str, by: str, *, of: str = OF, window: str = "$__rate_interval") -> str:
    """PromQL: increase a second of a counter, summed by these labels."""
    return f"sum by ({by}) (rate({metric}{{{of}}}[{window}]))"


def increase(metric: str, by: str, *, of: str = OF) -> str:
    """PromQL: increase of a counter over what is shown, summed by these labels."""
    return f"sum by ({by}) (increase({metric}{{{of}}}[$__range]))"


def quantile(share: float, metric: str, by: str, *, window: str = "$__rate_interval") -> str:
    """PromQL: a quantile of a histogram, by these labels."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', f'{by}, le', window=window)})"


NOT_CLIENT = f'{OF},limit!="client"'
RUNAWAY_SHARE = f"{rate('endturn_runaway_total', 'adapter', of=NOT_CLIENT)} / ({rate('endturn_stops_total', 'adapter')} > 0)"
RESCUED_SHARE = (
    f"{rate('endturn_rescued_total', 'adapter')} / ({rate('endturn_stops_total', 'adapter')} > 0)"
)
GAP_S = f"{rate('endturn_inter_token_seconds_sum', 'adapter')} / ({rate('endturn_inter_token_seconds_count', 'adapter')} > 0)"
RUNAWAY_TOKENS = rate("endturn_runaway_generation_tokens_sum", "adapter")
RANGE_GAP_S = (
    f"{increase('endturn_inter_token_seconds_sum', 'adapter')}"
    f" / ({increase('endturn_inter_token_seconds_count', 'adapter')} > 0)"
)
RANGE_RUNAWAY_TOKENS = increase("endturn_runaway_generation_tokens_sum", "adapter")


def learned(metric: str) -> str:
    """PromQL: what `endturn verify` measured for an adapter."""
    return f"max by (adapter) (endturn_adapter_learned_{metric}{{{OF}}})"
