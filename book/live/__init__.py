"""The pages that run in the reader's own browser, by Pyodide.

``cells`` says what a cell needs, ``files`` gets what a page loads, ``runner`` runs the cells there.
live.js is the page's side and worker.js the other.
"""
