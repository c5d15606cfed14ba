"""E-mail through Django's mail settings: the console by default, SMTP where EMAIL_HOST is set."""

from __future__ import annotations

import smtplib

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email

from alerts.transports.base import Message, TransportRefused, TransportRetry


class EmailTransport:
    name = "email"
    target_help = "one or more addresses, separated by commas"

    def send(self, message: Message, target: str) -> None:
        addresses = [address.strip() for address in target.split(",") if address.strip()]
        if not addresses:
            raise TransportRefused("the channel has no address: write one into its target")
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise TransportRefused(f"{address!r:.80} is not an e-mail address") from error
        # A line break in a subject would be a second header.
        subject = " ".join(message.title.split())
        mail = EmailMessage(subject=subject, body=message.body, to=addresses)
        try:
            mail.send(fail_silently=False)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused) as error:
            raise TransportRefused(f"the mail server refused the address: {type(error).__name__}") from error
        except smtplib.SMTPAuthenticationError as error:
            raise TransportRefused("the mail server refused EMAIL_USER and EMAIL_PASSWORD") from error
        except (smtplib.SMTPException, OSError) as error:
            raise TransportRetry(f"the mail server did not take it: {type(error).__name__}") from error
