"""The page where a buyer pays by Stripe: Stripe's own form in ours, for its buyer alone.

Invariant: only this page lets a script of Stripe run, and no card number ever reaches us: the form
is Stripe's frame.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from commerce.kernel.errors import CommerceError, not_found
from commerce.orders.checkout.service import CheckoutService
from commerce.orders.payments.ports import ProviderRefusedError, ProviderUnavailableError
from commerce.orders.payments.service import PaymentService
from server.providers.stripe_secrets import ClientSecrets
from server.routes.pages import CONTENT_SECURITY_POLICY, pages_of
from server.routes.requests import current_user, path_id

SEE_OTHER = 303
UNAVAILABLE = 503


class StripePage(msgspec.Struct, frozen=True):
    """The secrets and the key that Stripe's form needs, and the address of its script."""

    secrets: ClientSecrets
    publishable_key: str
    script_url: str

    @property
    def policy(self) -> str:
        """The Content-Security-Policy: ours, opened for the script's origin and Stripe's frames.

        The list is https://docs.stripe.com/security/guide#content-security-policy.
        """
        parts = urlsplit(self.script_url)
        origin = f"{parts.scheme}://{parts.netloc}"
        opened = CONTENT_SECURITY_POLICY.replace(
            "script-src 'self'", f"script-src 'self' {origin} https://*.js.stripe.com"
        ).replace("connect-src 'self'", "connect-src 'self' https://api.stripe.com")
        frames = f"frame-src {origin} https://*.js.stripe.com https://hooks.stripe.com"
        return f"{opened}; {frames}"


def stripe_routes(
    page: StripePage, payments: PaymentService, checkout: CheckoutService
) -> list[Route]:
    """Return the page's route."""

    async def pay(request: Request) -> Response:
        user = current_user(request)
        try:
            payment = await payments.find(path_id(request, "payment"))
            if user is None or payment.provider != "stripe":
                raise not_found("payment")
            order = await checkout.get_order(user_id=user.user_id, order_id=payment.order_id)
        except CommerceError:
            return pages_of(request).render(request, "error.html", status=404, code="no_payment")
        back = f"/orders/{order.id}"
        if order.state != "awaiting_payment":
            return RedirectResponse(back, SEE_OTHER)
        secret, status = None, 200
        try:
            secret = await page.secrets.get(payment)
            if secret is None:  # Paid a moment ago, or another attempt is open by now.
                return RedirectResponse(back, SEE_OTHER)
        except (ProviderUnavailableError, ProviderRefusedError):
            status = UNAVAILABLE
        response = pages_of(request).render(
            request,
            "pay_stripe.html",
            status=status,
            order=order,
            back=back,
            client_secret=secret,
            publishable_key=page.publishable_key,
            script_url=page.script_url,
        )
        response.headers["Content-Security-Policy"] = page.policy
        response.headers["Cache-Control"] = "no-store"
        return response

    return [Route("/pay/stripe/{payment}", pay, methods=["GET"])]
