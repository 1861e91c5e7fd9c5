"""The pages of a running agent: tables from the API's own answers, which a browser with JavaScript keeps new."""
