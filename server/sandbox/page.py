"""The page where a buyer decides: plain HTML, two languages, and the truth about the money."""

from __future__ import annotations

from jinja2 import Environment

from server.amounts import format_amount
from server.sandbox.model import CARDS, SandboxPayment

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Sandbox payment",
        "honest": "This is a pretend payment provider. No real money moves.",
        "order": "Order",
        "amount": "Amount",
        "card": "Card",
        "own_card": "A card of its own",
        "test_card": "Test card",
        "pay": "Pay",
        "decline": "Decline, as a bank would",
        "leave": "Or just close this tab: nothing is charged, your hold runs on until its end.",
        "back": "Back to the order",
        "authorised": "Paid. The shop has been told.",
        "captured": "Paid. The shop has taken the money.",
        "declined": "Declined. Nothing was charged.",
        "voided": "The shop has closed this payment. Nothing was charged.",
        "refunded": "The money went back.",
        "gone": "There is no such payment.",
    },
    "zh": {
        "title": "模拟支付",
        "honest": "这是模拟的支付渠道，不会动用真钱。",
        "order": "订单",
        "amount": "金额",
        "card": "银行卡",
        "own_card": "一张新卡",
        "test_card": "测试卡",
        "pay": "付款",
        "decline": "拒付（模拟银行拒绝）",
        "leave": "也可以直接关掉这个页面：不会扣款，保留时间照常倒数。",
        "back": "回到订单",
        "authorised": "付款成功，已通知商家。",
        "captured": "付款成功，商家已收款。",
        "declined": "支付被拒绝，没有扣款。",
        "voided": "商家已关闭这笔支付，没有扣款。",
        "refunded": "款项已退回。",
        "gone": "没有这笔支付。",
    },
}
HTML_LANG = {"en": "en", "zh": "zh-Hans"}

TEMPLATE = """<!doctype html>
<html lang="{{ html_lang }}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{{ t.title }}</title>
  <link rel="icon" href="/static/img/mark.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/static/css/tokens.css">
  <link rel="stylesheet" href="/static/css/base.css">
  <link rel="stylesheet" href="/static/css/sandbox.css">
</head>
<body class="sandbox">
  <main class="panel sandbox-panel" data-state="{{ payment.state if payment else 'gone' }}">
    <h1>{{ t.title }}</h1>
    <p class="sandbox-honest">{{ t.honest }}</p>
    {% if payment %}
    <dl class="sandbox-facts">
      <dt>{{ t.amount }}</dt><dd class="price">{{ amount }}</dd>
      <dt>{{ t.order }}</dt><dd>{{ payment.order_reference }}</dd>
    </dl>
    {% if payment.state == "created" %}
    <form method="post" action="?lang={{ lang }}">
      <p><label>{{ t.card }}
        <select name="card">
          <option value="">{{ t.own_card }}</option>
          {% for card in cards %}
          <option value="{{ card }}">{{ t.test_card }} {{ loop.index }}</option>
          {% endfor %}
        </select>
      </label></p>
      <button class="button button-main button-lime" name="act" value="pay">
        {{ t.pay }} {{ amount }}
      </button>
      <button class="button button-main button-outline" name="act" value="decline">
        {{ t.decline }}
      </button>
    </form>
    <p class="muted">{{ t.leave }}</p>
    {% else %}
    <p role="status">{{ t[payment.state] }}</p>
    {% endif %}
    <p><a href="{{ payment.return_path }}">{{ t.back }}</a></p>
    {% else %}
    <p role="status">{{ t.gone }}</p>
    {% endif %}
  </main>
</body>
</html>
"""


class PaymentPage:
    """Renders the page; all text is escaped."""

    def __init__(self) -> None:
        self._template = Environment(autoescape=True).from_string(TEMPLATE)

    def render(self, payment: SandboxPayment | None, lang: str) -> str:
        """Return the page of a payment, or of none."""
        return self._template.render(
            t=TEXTS[lang],
            lang=lang,
            html_lang=HTML_LANG[lang],
            payment=payment,
            cards=CARDS,
            amount=format_amount(payment.amount_minor, payment.currency) if payment else "",
        )


def choose_lang(asked: str | None, accept_language: str) -> str:
    """Return `zh` or `en` by what was asked for, else by the browser's first choice of the two."""
    if asked in TEXTS:
        return asked
    for part in accept_language.split(","):
        tongue = part.partition(";")[0].strip().lower()[:2]
        if tongue in TEXTS:
            return tongue
    return "en"
