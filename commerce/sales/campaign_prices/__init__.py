"""Campaign prices: for a while the whole shop sells a SKU at less than its list price."""
