"""Reading answers: tool calls, reasoning and structured output. `port` knows nothing of vLLM; `vllm_parsers` stands behind it."""
