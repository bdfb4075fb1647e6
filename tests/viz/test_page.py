"""The template of all pages."""

import re

from torch_afm.viz.page import page_html, read_resource


def test_a_page_has_its_title_twice_its_style_and_no_script_unless_asked_for():
    page = page_html("<b>&", "<p>__TITLE__</p>", "scans.css")
    assert page.count("&lt;b&gt;&amp;") == 2 and "<b>" not in page
    # What stands in the body is not filled in.
    assert "<p>__TITLE__</p>" in page and read_resource("scans.css") in page
    assert "script-src" not in page and "script-src" in page_html("a", "", "report.css", scripts=True)
    assert "default-src 'none'" in page and "@media print" in page
    assert not re.search(r"(src|href)=[\"'](?!data:)|url\(|@import", page)
