"""Draws: who may buy is drawn by lot, in an order that anybody can compute again."""
