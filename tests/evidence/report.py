"""Reads a bundle's report, or a change ticket, as programs do that help people read: what refers to something, finds it.

Usage: report.py FILE.html [REPORT.pdf]
With the report printed, its pages are read by poppler.
"""

import html.parser
import json
import re
import subprocess
import sys

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.wanted, self.headings, self.links, self.text = [], [], [], [], [], []
        self.pictures, self.lang, self.heads_of_tables = 0, None, 0

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert tag not in ("script", "iframe", "img", "link", "object"), tag
        assert not any(name.startswith("on") for name in given), given
        if tag == "html":
            self.lang = given.get("lang")
        if "id" in given:
            self.ids.append(given["id"])
        for name in ("aria-labelledby", "aria-describedby"):
            self.wanted += given.get(name, "").split()
        href = given.get("href", "")
        if href.startswith("#"):
            self.wanted.append(href[1:])
        elif href:
            self.links.append(href)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "svg":
            self.pictures += 1
            assert given.get("aria-hidden") == "true" or (given.get("role") == "img" and given.get("aria-labelledby")), given
        if tag == "th":
            assert given.get("scope"), "a head of a table says what it is the head of"
            self.heads_of_tables += 1
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


page = open(sys.argv[1], encoding="utf-8").read()
reader = Reader()
reader.feed(page)
reader.close()
assert reader.open == [] and reader.lang == "en"
assert len(set(reader.ids)) == len(reader.ids), "an id is there twice"
missing = set(reader.wanted) - set(reader.ids)
assert not missing, missing
assert reader.headings[0] == 1 and reader.headings.count(1) == 1
for before, after in zip(reader.headings, reader.headings[1:]):
    assert after <= before + 1, "a heading skips a level"
assert all(link.startswith(("https://", "http://")) for link in reader.links), reader.links
said = {"pictures": reader.pictures, "links": len(reader.links), "text": re.sub(r"\s+", " ", "".join(reader.text))}

if len(sys.argv) > 2:
    pages = int(re.search(r"Pages:\s+(\d+)", subprocess.run(["pdfinfo", sys.argv[2]], check=True, capture_output=True, text=True).stdout)[1])
    printed = subprocess.run(["pdftotext", "-layout", sys.argv[2], "-"], check=True, capture_output=True, text=True).stdout
    sheets = printed.split("\f")[:pages]
    said |= {
        "pages": pages,
        "numbered": sum(f"{number} / {pages}" in sheet for number, sheet in enumerate(sheets, 1)),
        "printed": re.sub(r"\s+", " ", printed),
    }
print(json.dumps(said))
