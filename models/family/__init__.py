"""The cells that the additive gate is measured against, behind its interface (`named` has all)."""
