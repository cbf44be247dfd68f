"""`batch`: the operator's and the analyst's command."""
