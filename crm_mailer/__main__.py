"""`python -m crm_mailer`."""

from crm_mailer.cli import main

if __name__ == "__main__":
    main()
