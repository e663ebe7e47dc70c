"""What peers are asked for: to take results, to keep them, to find and send images."""
