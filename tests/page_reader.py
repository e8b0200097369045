"""A page of the book as its reader walks it: headings, places and links."""

from html.parser import HTMLParser


class Read(HTMLParser):
    """What a page is made of: headings (level, words), places, and where its links lead."""

    def __init__(self, text):
        super().__init__()
        self.html = text
        self.headings, self.places, self.links, self.inside = [], {}, set(), False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("h1", "h2", "h3", "h4"):
            self.inside = True
            self.headings.append([int(tag[1]), ""])
        if "id" in given:
            self.places[given["id"]] = len(self.headings)
        if tag == "a" and "href" in given and given.get("class") != "permalink":
            self.links.add(given["href"])

    def handle_endtag(self, tag):
        if tag in ("h1", "h2", "h3", "h4"):
            self.inside, self.headings[-1][1] = False, " ".join(self.headings[-1][1].split())

    def handle_data(self, data):
        if self.inside and data != "#":
            self.headings[-1][1] += data
