"""Cells for the small books that tests make."""


def markdown(text, name="words"):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def code(text, *outputs, name="code", run=1):
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "execution_count": run,
        "source": text,
        "outputs": list(outputs),
    }
