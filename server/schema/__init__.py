"""What clients send: OpenAI's chat and completions, and the Responses and Messages APIs translated into chat."""
