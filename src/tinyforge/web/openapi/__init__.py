"""What the API is, for programs: OpenAPI 3.1, made from the routes themselves."""
