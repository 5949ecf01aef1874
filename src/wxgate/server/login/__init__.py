"""Login as browsers see it: routes, cookies, pages."""
