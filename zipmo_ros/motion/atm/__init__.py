"""ATM: any-point trajectories by a track transformer (Wen et al., RSS 2024), behind the contract's Planner.

What ARFM and ZipMo are measured against: one pass, one future, absolute positions. A view is seen by itself, by one and
the same network. Symbols: B samples, V views, N points a view, T samples of a track, L image tokens of a view, D width.
Points are (y, x) in [-1, 1]; the network counts them in [0, 1] of the frame, as the paper does.

Its release shifts tracks with their image by the wrong axis and sign; here (training/stages/atm.py) a test sees that a
point stays on what it was on.
"""
