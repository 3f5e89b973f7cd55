"""The description of the HTTP API: the OpenAPI document, and the pages that show it. Describes; decides nothing."""
