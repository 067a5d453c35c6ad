"""Makes businesses for tests: small ones in which only what a test is about can go wrong."""

from dataclasses import replace

from bench.accuracy.business import Business

CLEAR = Business(
    "clear",
    "Nothing is shared",
    people=30,
    days=40,
    shared_browser=0.0,
    shared_email=0.0,
    second_account=0.0,
    email_change=0.0,
    phone_change=0.0,
    typing_error=0.0,
    junk=0.0,
    zeroed_ads=0.0,
    feed_junk=0.0,
)
"""People with accounts and devices of their own, who lose cookies and log out; every identity is one person's."""

STEADY = replace(
    CLEAR,
    own_device_counts={1: 1.0},
    cookie_loss=0.0,
    reinstall=0.0,
    has_account=0.0,
    log_out=0.0,
    newsletter=0.0,
    feed_rows_a_month=0.0,
)
"""The same with one device each that forgets nothing: people look around, sign up, and stay logged in."""

CROWDED = replace(
    CLEAR,
    shared_browser=1.0,
    shared_use=0.4,
    kiosks=1,
    kiosk_use=0.3,
    take_over=0.5,
    log_out=0.3,
    kiosk_log_out=0.7,
    second_account=0.1,
    email_change=0.03,
    phone_change=0.03,
)
"""Devices go from hand to hand with somebody logged in; accounts and addresses are still one person's."""

TROUBLED = replace(
    CROWDED,
    people=40,
    television=0.5,
    second_app=0.5,
    household_account=0.3,
    shared_email=0.5,
    typing_error=0.2,
    typo_hits=0.5,
    junk=0.2,
    zeroed_ads=0.4,
    feed_junk=0.2,
)
"""Everything that can be shared, mistaken or made up is."""
