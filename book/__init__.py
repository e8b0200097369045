"""The tooling of the book: it renders, exports and proves it; no chapter imports it."""
