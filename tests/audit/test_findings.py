from inspection.audit.findings import Case, Finding, in_words, ranked


def test_the_worst_first_and_of_many_cases_the_first():
    cases = tuple(Case(f"{name}.png: is\nblank") for name in "abcde")
    findings = [
        Finding("sizes", "note", "two sizes"),
        Finding("odd_bits", "warning", "5 images are not 8 bits", cases, "convert them"),
        Finding("unreadable", "error", "1 image can't be used", cases[:1]),
    ]
    assert [found.check for found in ranked(findings)] == ["unreadable", "odd_bits", "sizes"]
    assert in_words(findings).splitlines() == [
        "ERROR    1 image can't be used",
        "           a.png: is blank",
        "warning  5 images are not 8 bits",
        "           a.png: is blank",
        "           b.png: is blank",
        "           c.png: is blank",
        "           ... and 2 more",
        "         > convert them",
        "note     two sizes",
    ]
    assert in_words([]) == ""
