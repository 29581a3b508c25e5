"""MHLW NHI price list: the medicines that the Japanese health insurance pays for, with maker and price."""
