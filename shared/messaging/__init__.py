"""Events: written in the transaction of the state that they report (outbox), applied once (inbox), and never lost."""
