"""Measures of text: sacreBLEU of translations, n-gram models and novelty of generated text."""
