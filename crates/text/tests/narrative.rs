//! Narratives: what is shown, and what is refused.
#![allow(clippy::unwrap_used)]

use text::narrative::{Wrong, wrong};

fn div(inner: &str) -> String {
    format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>")
}

#[test]
fn formatting_is_accepted() {
    let inner = [
        "text",
        "<p style=\"color: red\">A <b>b</b><br/></p>",
        "<a href=\"Patient/1?x=javascript:\">x</a><a name=\"x\"/>",
        "<a href=\"#top\">x</a><a href='https://example.org/a:b'>x</a><a href='mailto:a@b.org'>m</a>",
        "<img src=\"#pic\" alt=\"x\"/>",
        "<img src='data:image/png;base64,iVBOR'/>",
        "<table border=\"1\" class=\"grid\"><tr><td colspan='2' xml:lang=\"de\">&#160;&lt;</td></tr></table>",
        "<td style=\"background: url(tbl_bck0.png) url('data:image/png;base64,x')\">x</td>",
        "&nbsp;",
        "<p style=\"color: rgb(1, 2, 3); width: calc(1px + 2px)\">x &eacute; &#x1F600;</p>",
        "<!-- said --><pre xml:space=\"preserve\"> x</pre>",
    ];
    for inner in inner {
        assert_eq!(wrong(div(inner).as_bytes()), None, "{inner}");
    }
    let spaced = format!(" \n{}\n", div("x"));
    assert_eq!(wrong(spaced.as_bytes()), None);
}

#[test]
fn what_runs_or_fetches_is_refused() {
    let inner = [
        "<script>x</script>",
        "<p onclick=\"x()\">x</p>",
        "<style>p { color: red }</style>x",
        "<link rel='stylesheet' href='x'/>x",
        "<iframe src='http://example.org'>x</iframe>",
        "<object data='x'>x</object><form action='x'>x</form>",
        "<a href=\"javascript:x()\">x</a>",
        "<a href=\" java\tscript:x()\">x</a>",
        "<a href=\"java&#115;cript:x()\">x</a>",
        "<a href=\"JAVASCRIPT:x()\">x</a>",
        "<a href=\"data:text/html,x\">x</a>",
        "<a href=\"&unknown;\">x</a>",
        "<img src='data:image/svg+xml,x'/>",
        "<a href='data:image/png,x'>x</a>",
        "<p style=\"background: url(http://example.org/x)\">x</p>",
        "<p style=\"background: url('//example.org/x')\">x</p>",
        "<p style=\"background: url(a.png) URL( 'data:image/svg+xml,x')\">x</p>",
        "<p style=\"background: u\\72l(http://example.org/x)\">x</p>",
        "<p style=\"width: expression(x)\">x</p>",
        "<p style=\"width: exp/**/ression(x)\">x</p>",
        "<p style=\"background: image-set('http://example.org/x' 1x)\">x</p>",
        "<![CDATA[><img src=x onerror=x()>]]>x",
        "<!--><img src=x onerror=x()>-->x",
        "<!---><img src=x onerror=x()>-->x",
        "<P>x</P>",
        "<x:p xmlns:x='http://www.w3.org/1999/xhtml'>x</x:p>",
        "<?php x ?>x",
        "<svg><p>x</p></svg>",
    ];
    for inner in inner {
        assert_eq!(
            wrong(div(inner).as_bytes()),
            Some(Wrong::Content),
            "{inner}"
        );
    }
    let declared = format!("<!DOCTYPE div [<!ENTITY a 'b'>]>{}", div("&a;"));
    assert_eq!(wrong(declared.as_bytes()), Some(Wrong::Content));
}

#[test]
fn what_is_no_div_is_refused() {
    let texts = [
        "",
        "text",
        "<div>text</div>",
        "<div xmlns='http://example.org'>text</div>",
        "<p xmlns='http://www.w3.org/1999/xhtml'>text</p>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>text",
        "<div xmlns='http://www.w3.org/1999/xhtml'><p>text</div></p>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>a</div><div xmlns='http://www.w3.org/1999/xhtml'>b</div>",
        "</div>",
        "junk <div xmlns='http://www.w3.org/1999/xhtml'>x</div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>x</div> &amp;",
        "<div xmlns='http://www.w3.org/1999/xhtml'>&unheardof;</div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>&#0; &#1;</div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'><p class='a' class='b'>x</p></div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'><p title='<b>'>x</p></div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'><a title='x'href='#b'>x</a></div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'><!-- --!><img src=x onerror=x()> -->x</div>",
    ];
    for text in texts {
        assert_eq!(wrong(text.as_bytes()), Some(Wrong::Form), "{text}");
    }
    assert_eq!(
        wrong(b"<div xmlns='http://www.w3.org/1999/xhtml'>\xff</div>"),
        Some(Wrong::Form)
    );
}

#[test]
fn what_says_nothing_is_refused() {
    for inner in ["", " \n\t", "<p> </p><br/>", "<!-- x -->"] {
        assert_eq!(wrong(div(inner).as_bytes()), Some(Wrong::Empty), "{inner}");
    }
}

#[test]
fn hostile_narratives_end() {
    let deep = div(&"<b>".repeat(300_000));
    assert_eq!(wrong(deep.as_bytes()), Some(Wrong::Content));
    let many = div(&format!("<p {}>x</p>", "id='x' ".repeat(100_000)));
    assert_eq!(wrong(many.as_bytes()), Some(Wrong::Form));
    let long = div(&"<p>x</p>".repeat(200_000));
    assert_eq!(wrong(long.as_bytes()), None);
}
