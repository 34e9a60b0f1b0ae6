"""Coarse labels, completed by what a network sees: never outside what they say."""
