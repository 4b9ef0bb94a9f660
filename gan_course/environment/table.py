"""An accessible HTML table."""

import html


def table(caption: str, head, rows, row_head: int) -> str:
    """An HTML table whose `row_head`-th column names the row."""

    def cell(i, text):
        tag = 'th scope="row"' if i == row_head else "td"
        return f'<{tag} style="text-align:left">{html.escape(text)}</{tag[:2]}>'

    top = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in head)
    body = "".join(f"<tr>{''.join(cell(i, text) for i, text in enumerate(row))}</tr>" for row in rows)
    caption = f'<caption style="text-align:left">{html.escape(caption)}</caption>'
    return f"<table>{caption}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
