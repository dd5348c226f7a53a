"""The sandbox: a shop's real invoices, made-up customers who answer, real SMTP and IMAP servers."""
